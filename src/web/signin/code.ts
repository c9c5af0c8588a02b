// The code of a sign-in link stands in the fragment, which no server and no proxy ever sees. It leaves the address before anything else
// is done, so that neither the history nor a shared screen keeps it.

/** The code in a fragment, or null. */
export function codeIn(fragment: string): string | null {
  const code = new URLSearchParams(fragment.replace(/^#/, '')).get('code')
  return code === null || code === '' ? null : code
}
