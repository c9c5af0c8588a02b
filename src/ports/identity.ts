// Somebody else who knows who people are. A port, so that what is decided about a person is decided without a network.
import type { Claims, SignInAnswer, SignInRefusal } from '../domain/sign-in.ts'

/** What a browser that went to the provider must bring back; secret, and used once. */
export type Begun = { readonly state: string; readonly nonce: string; readonly verifier: string }

export interface IdentityProvider {
  /** As the button calls it. */
  readonly name: string
  readonly issuer: string
  /**
   * Where to send the browser. `callback` is where the provider sends it back to: it has to know this address. `another`: it shall ask who is
   * there, also where it knows somebody.
   */
  begin(callback: string, another: boolean): Promise<SignInAnswer<{ readonly location: string; readonly begun: Begun }>>
  /** `answer` is the callback with what the provider put behind it. Everything that it says is checked. */
  finish(answer: URL, begun: Begun): Promise<SignInAnswer<Claims>>
  /** Null: it answers, and is whom it should be. */
  check(): Promise<SignInRefusal | null>
}

/** The way of a browser through a sign-in, for the server: what is kept in cookies is sealed. */
export interface ProviderSignIn {
  readonly name: string
  /** Where the pages are, without a slash at the end: the addresses of a sign-in are below it. */
  readonly pages: () => string
  /** `refused` is what became of the last one: whom it refused may want to be somebody else. */
  begin(
    to: string | undefined,
    refused: SignInRefusal | null,
  ): Promise<SignInAnswer<{ readonly location: string; readonly kept: string }>>
  /** `query` is what the provider put behind the address of the callback, `kept` the cookie of `begin`. */
  finish(query: URLSearchParams, kept: string | undefined): Promise<SignInAnswer<NewSession>>
  /** A refusal that waits for the page to show it. */
  keepRefusal(refusal: SignInRefusal): string
  keptRefusal(kept: string | undefined): SignInRefusal | null
}

export type NewSession = {
  readonly secret: string
  readonly seconds: number
  /** A path of our own, where the person wanted to go. */
  readonly to: string
}
