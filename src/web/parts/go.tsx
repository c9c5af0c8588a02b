// A link to an address that was put together elsewhere; it stays in the page.
import { useRouter } from '@tanstack/react-router'
import type { MouseEvent, ReactNode } from 'react'

type Props = { readonly to: string; readonly className?: string; readonly title?: string; readonly children: ReactNode }

export function Go({ to, className, title, children }: Props) {
  const router = useRouter()
  const onClick = (event: MouseEvent): void => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    router.history.push(to)
  }
  return (
    <a href={to} className={className} title={title} onClick={onClick}>
      {children}
    </a>
  )
}

export const RunLink = (props: { readonly id: string; readonly project: string; readonly name: string }) => (
  <Go className="run" to={`/runs/${encodeURIComponent(props.id)}`} title={`${props.project}/${props.name}`}>
    <span className="p">{props.project}/</span>
    <b>{props.name}</b>
  </Go>
)
