// Keeps secrets that must be read again, such as the address of a channel, unreadable at rest.
export type Seal = {
  readonly seal: (text: string) => string
  /** Null where none of the keys opens it. */
  readonly open: (sealed: string) => string | null
}
