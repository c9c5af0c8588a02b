// The server's clock as this browser can tell it: ages of what the server saw must not depend on a laptop that is ten minutes off.
import { useCallback, useSyncExternalStore } from 'react'

let skewMs = 0

export function noteServerTime(iso: string): void {
  const at = Date.parse(iso)
  // Less than a second is the way of the answer, not the clock.
  if (Number.isFinite(at)) skewMs = Math.abs(at - Date.now()) < 1_000 ? 0 : at - Date.now()
}

export const now = (): number => Date.now() + skewMs

/** Now, renewed every `everyMs`: what is drawn with it stays as old as that at most. */
export function useNow(everyMs: number): number {
  // The same function each time: another one would start another timer in each drawing.
  const subscribe = useCallback(
    (listener: () => void) => {
      const timer = setInterval(listener, everyMs)
      return () => clearInterval(timer)
    },
    [everyMs],
  )
  return useSyncExternalStore(subscribe, () => Math.floor(now() / everyMs) * everyMs)
}
