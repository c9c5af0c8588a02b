// Xids: how NVIDIA's driver names errors in the kernel's log, `NVRM: Xid (PCI:0000:3b:00): 79, ...`. What each asks for stands in NVIDIA's
// catalogue (docs.nvidia.com/deploy/xid-errors); the groups here follow the actions that it lists.
import type { Row } from './patterns.ts'

const XID = /\bXid \([^)]{1,40}\): (\d{1,3})\b/
const ROW = { match: XID } as const

/** RESET_GPU, RESTART_BM and those that go to support. */
const FATAL = new Set([46, 62, 74, 79, 109, 110, 119, 120, 136, 140, 143, 155, 156, 157, 158])
/** Errors of memory that could not be corrected or contained: 48 DBE, 64 remapping failed, 95 uncontained, 171 and 172 detail of 48. */
const ECC = new Set([48, 64, 95, 171, 172])
/** RESTART_APP: the GPU is well once the process is gone. 63 has a row to remap, 92 is a high rate of corrected ones, 94 is contained. */
const CONTAINED = new Set([63, 92, 94, 137])
/** What a program may do to a GPU: 13 exception of the graphics engine, 31 page fault, 11, 32 and 69 bad commands. */
const PROGRAM = new Set([11, 13, 31, 32, 69])
/** NVLink 5: the line itself says whether it is fatal. */
const NVLINK5 = new Set([144, 145, 146, 147, 148, 149, 150])

/** Null: no Xid, or one that tells nothing by itself, such as 43 and 45, which follow others, and 154, which repeats an advice. */
export function xidKind(line: string): Row | null {
  const number = Number(XID.exec(line)?.[1] ?? Number.NaN)
  if (Number.isNaN(number)) return null
  if (ECC.has(number)) return { ...ROW, kind: 'ecc', tier: 'gpu' }
  if (FATAL.has(number)) return { ...ROW, kind: 'gpu-fault', tier: 'gpu' }
  if (NVLINK5.has(number))
    return /\bFatal\b/.test(line)
      ? { ...ROW, kind: 'gpu-fault', tier: 'gpu' }
      : { ...ROW, kind: 'gpu-contained', tier: 'symptom' }
  if (CONTAINED.has(number)) return { ...ROW, kind: 'gpu-contained', tier: 'symptom' }
  return PROGRAM.has(number) ? { ...ROW, kind: 'illegal-access', tier: 'cause' } : null
}
