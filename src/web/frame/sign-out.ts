import { change } from '../api/ask.ts'
import { live, queries } from '../api/queries.ts'

export async function signOut(): Promise<void> {
  await change('DELETE', '/session')
  live.close()
  queries.clear()
  location.assign('/')
}
