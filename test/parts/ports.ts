// Ports for programs that take no port 0. They lie below those that the kernel gives to connections: one of those may be taken by any
// connection of the machine between our look and the program's start, or while a program that a test restarts is down.
import { createServer } from 'node:net'

const FIRST = 10_000
const LAST = 32_000

/** Ports that nobody listens on at this moment, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>()
  while (found.size < count) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST))
    if (!found.has(port) && (await isFree(port))) found.add(port)
  }
  return [...found]
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
