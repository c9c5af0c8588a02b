import { runUp } from '../up/main.ts'
const args = process.argv.slice(2)
const has = (name: string): boolean => args.includes(name)
process.exitCode = await runUp({
  demo: has('--demo'),
  untilDone: has('--until-done'),
  stopRuns: has('--stop-runs'),
  home: null,
  database: null,
  json: has('json'),
})
