// The server's clock as this browser can tell it: ages of what the server saw must not depend on a laptop that is ten minutes off.
import { useSyncExternalStore } from 'react'

let skewMs = 0

export function noteServerTime(iso: string): void {
  const at = Date.parse(iso)
  // Less than a second is the way of the answer, not the clock.
  if (Number.isFinite(at)) skewMs = Math.abs(at - Date.now()) < 1_000 ? 0 : at - Date.now()
}

export const now = (): number => Date.now() + skewMs

/** Now, renewed every `everyMs`: what is drawn with it stays as old as that at most. */
export function useNow(everyMs: number): number {
  return useSyncExternalStore(
    (listener) => {
      const timer = setInterval(listener, everyMs)
      return () => clearInterval(timer)
    },
    () => Math.floor(now() / everyMs) * everyMs,
  )
}
