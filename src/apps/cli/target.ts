// Where the server is and who asks: from the environment, else from the home's client.json. The two are never mixed: the token of one
// server must not be sent to another.
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { CliError, EXIT } from './exit.ts'

export type Target = { readonly url: URL; readonly token: string }

const homeFolder = (): string => process.env.PLIMSOLL_HOME ?? join(homedir(), '.plimsoll')
export const clientFile = (): string => join(homeFolder(), 'client.json')

export function target(): Target {
  const { PLIMSOLL_URL: url, PLIMSOLL_TOKEN: token } = process.env
  if (url !== undefined && token !== undefined) return { url: urlOf(url, 'PLIMSOLL_URL'), token }
  if (url !== undefined || token !== undefined) {
    const [there, missing] = url === undefined ? ['PLIMSOLL_TOKEN', 'PLIMSOLL_URL'] : ['PLIMSOLL_URL', 'PLIMSOLL_TOKEN']
    throw new CliError(EXIT.usage, `${there} is set and ${missing} is not: set both, or neither to use ${clientFile()}`)
  }
  return readClient(clientFile())
}

export function urlOf(text: string, what: string): URL {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new CliError(EXIT.usage, `${what} is ${text}, not an address such as http://127.0.0.1:7420`)
  return url
}

function readClient(path: string): Target {
  if (!existsSync(path)) {
    throw new CliError(
      EXIT.noServer,
      `no server is known: ${path} is not there. Start one with plimsoll up, or set PLIMSOLL_URL and PLIMSOLL_TOKEN.`,
    )
  }
  if ((statSync(path).mode & 0o077) !== 0) {
    throw new CliError(
      EXIT.usage,
      `${path} can be read by others. Close it with chmod 600 ${path}, and revoke its token if somebody may have looked.`,
    )
  }
  let file: unknown
  try {
    file = JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    throw new CliError(EXIT.usage, `${path} cannot be read as JSON: start plimsoll up again, which writes it anew`)
  }
  const { url, token } = (file ?? {}) as { url?: unknown; token?: unknown }
  if (typeof url !== 'string' || typeof token !== 'string')
    throw new CliError(EXIT.usage, `${path} has no url and token: start plimsoll up again, or plimsoll login`)
  return { url: urlOf(url, `url in ${path}`), token }
}

/** Written beside and renamed, so that it is never half there and never open to others. */
export function writeClient(url: string, token: string): string {
  const path = clientFile()
  mkdirSync(homeFolder(), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${process.pid}`
  writeFileSync(temporary, `${JSON.stringify({ url, token })}\n`, { mode: 0o600 })
  renameSync(temporary, path)
  return path
}
