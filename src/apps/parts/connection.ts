import type { Connection } from '../../adapters/postgres/pool.ts'
import { Exit } from './say.ts'

/** A server of PostgreSQL by its address. The address may have a password, so a message never repeats it. */
export function connectionTo(url: string, where: string): Connection {
  if (!/^postgres(?:ql)?:\/\//.test(url))
    throw new Exit(2, `${where} is no address of PostgreSQL: write postgres://user@host:5432/database`)
  return { connectionString: url }
}
