// How wide an element is, kept up to date: drawings are made for their width, never scaled.
import { type RefObject, useEffect, useRef, useState } from 'react'

export function useWidth<Type extends HTMLElement>(): readonly [RefObject<Type | null>, number] {
  const box = useRef<Type>(null)
  const [width, setWidth] = useState(0)
  useEffect(() => {
    const element = box.current
    if (element === null) return undefined
    const observer = new ResizeObserver(() => {
      const style = getComputedStyle(element)
      const inner = element.clientWidth - Number.parseFloat(style.paddingLeft) - Number.parseFloat(style.paddingRight)
      setWidth(Math.max(0, Math.floor(inner)))
    })
    observer.observe(element)
    return () => observer.disconnect()
  }, [])
  return [box, width]
}
