// Keeps secrets that must be read again, such as the address of a channel, unreadable at rest.
export type Seal = {
  seal(text: string): string
  /** Null where none of the keys opens it. */
  open(sealed: string): string | null
}
