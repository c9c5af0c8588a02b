// Runs seeds with one mutation of the sources, in a process of its own, and prints the first problem that a checker sees:
// `mutant.ts FILE FIND REPLACE FROM SEEDS`.
import { loadMutated } from './mutant-loader.ts'

const [file = '', find = '', replace = '', from = '1', seeds = '1'] = process.argv.slice(2)
loadMutated({ file, find, replace })
const { simulateSeed } = await import('../../src/apps/simulate/drive.ts')
const { simulateInterleaved } = await import('../../src/apps/simulate/interleaved.ts')

async function firstProblem(): Promise<string | null> {
  for (let seed = Number(from); seed < Number(from) + Number(seeds); seed += 1) {
    for (const simulate of [simulateInterleaved, simulateSeed]) {
      try {
        const { problem } = await simulate(seed)
        if (problem !== null) return `seed ${seed}: ${problem}`
      } catch (error) {
        return `seed ${seed}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`
      }
    }
  }
  return null
}

process.stdout.write((await firstProblem()) ?? 'nothing was caught')
