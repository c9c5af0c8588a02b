// Light or dark: the system's choice until a person makes another one, which this browser keeps.
import { useSyncExternalStore } from 'react'

type Theme = 'light' | 'dark'
const KEY = 'plimsoll.theme'
const listeners = new Set<() => void>()
const system = matchMedia('(prefers-color-scheme: dark)')

export function currentTheme(): Theme {
  const chosen = document.documentElement.dataset.theme
  if (chosen === 'light' || chosen === 'dark') return chosen
  return system.matches ? 'dark' : 'light'
}

export function restoreTheme(): void {
  const kept = localStorage.getItem(KEY)
  if (kept === 'light' || kept === 'dark') document.documentElement.dataset.theme = kept
  system.addEventListener('change', tell)
}

export function switchTheme(): void {
  const theme = currentTheme() === 'dark' ? 'light' : 'dark'
  document.documentElement.dataset.theme = theme
  localStorage.setItem(KEY, theme)
  tell()
}

function tell(): void {
  for (const listener of listeners) listener()
}

/** Drawings on canvas read their colours from the tokens, so they are drawn again when this changes. */
export const useTheme = (): Theme =>
  useSyncExternalStore((listener) => {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }, currentTheme)

export const token = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
