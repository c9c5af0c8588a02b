// Where GPU-time went: each account has a colour (its family) and a texture (itself), in bars and in drawings alike.
import type { CSSProperties } from 'react'
import { ATTEMPT_ACCOUNTS, type Account, POOLS } from '../../domain/reasons.ts'
import { duration } from '../format/numbers.ts'
import { MEANING, SHOWN_ALL } from './account-words.ts'

export type Amounts = Readonly<Partial<Record<string, number>>>

export const Swatch = ({ account }: { readonly account: string }) => <i className={`sw a a-${account}`} />

export function Stack({ by, total, label }: { readonly by: Amounts; readonly total: number; readonly label: string }) {
  return (
    <div className="stack" role="img" aria-label={label}>
      {SHOWN_ALL.filter((account) => (by[account] ?? 0) > 0).map((account) => (
        <i
          key={account}
          className={`a a-${account}`}
          style={{ flex: `${by[account] ?? 0} 1 0` } satisfies CSSProperties}
          title={`${account}: ${MEANING[account]}, ${total > 0 ? ((100 * (by[account] ?? 0)) / total).toFixed(2) : 0} %`}
        />
      ))}
    </div>
  )
}

type Texture = readonly [shape: 'd' | 'v' | 's' | 'x', ink: string]

/** The same textures as the classes `.a-*`, for drawings. */
const TEXTURES: Readonly<Partial<Record<Account, Texture>>> = {
  evaluate: ['d', '--tex-ink'],
  restore: ['v', '--tex'],
  recovery: ['v', '--tex'],
  teardown: ['v', '--tex-ink'],
  stalled: ['s', '--tex'],
  lost: ['x', '--tex'],
  unknown: ['s', '--panel'],
  reserved: ['v', '--edge'],
  maintenance: ['s', '--tex-ink'],
  unhealthy: ['x', '--tex'],
  foreign: ['d', '--tex'],
}

function TextureLines({ texture: [shape, ink] }: { readonly texture: Texture }) {
  const stroke = `var(${ink})`
  if (shape === 'd') return <circle cx="2" cy="2" r=".9" fill={stroke} />
  if (shape === 'v') return <path d="M2 0V4" stroke={stroke} strokeWidth="1.1" />
  if (shape === 's') return <path d="M-1 1 1 -1M0 4 4 0M3 5 5 3" stroke={stroke} strokeWidth="1.3" />
  return <path d="M-1 1 1 -1M0 4 4 0M3 5 5 3M0 0 4 4" stroke={stroke} strokeWidth=".9" />
}

export function TexturePatterns() {
  return (
    <svg className="patterns" width="0" height="0" aria-hidden="true">
      <defs>
        {[...new Set<Account>([...ATTEMPT_ACCOUNTS, ...POOLS])].map((account) => {
          const texture = TEXTURES[account]
          return (
            <pattern key={account} id={`t-${account}`} width="4" height="4" patternUnits="userSpaceOnUse">
              <rect width="4" height="4" fill={`var(--acc-${account})`} />
              {texture === undefined ? null : <TextureLines texture={texture} />}
            </pattern>
          )
        })}
      </defs>
    </svg>
  )
}

export const fillOf = (account: Account): string => `url(#t-${account})`
export const titleOf = (account: Account, ms: number): string => `${account} ${duration(ms)}`
