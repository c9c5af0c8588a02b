// A loader hook for the tests of the checkers: replaces one exact string of one source file, and fails when it is not there, so that a
// mutation never becomes nothing when the code it breaks is written anew.
import { registerHooks } from 'node:module'

export type SourceMutation = { readonly file: string; readonly find: string; readonly replace: string }

export function loadMutated({ file, find, replace }: SourceMutation): void {
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context)
      if (!url.endsWith(`/src/${file}`)) return loaded
      const { source } = loaded
      const text = typeof source === 'string' ? source : new TextDecoder().decode(source ?? new Uint8Array(0))
      const parts = text.split(find)
      if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times: ${find}`)
      return { ...loaded, source: parts.join(replace) }
    },
  })
}
