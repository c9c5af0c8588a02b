// A process of its own that carries connections from one address to another: `forward.ts HOST PORT TARGET_PORT`. The API server listens
// on the loopback only, which pods of the real node cannot reach; in the test's process a test that blocks would cut the node off.
import { connect, createServer } from 'node:net'

const [host = '', port = '', target = ''] = process.argv.slice(2)

createServer((incoming) => {
  const outgoing = connect(Number(target), '127.0.0.1')
  for (const [from, to] of [[incoming, outgoing] as const, [outgoing, incoming] as const]) {
    from.on('error', () => to.destroy())
    from.on('close', () => to.destroy())
    from.pipe(to)
  }
}).listen(Number(port), host, () => process.stdout.write('listening\n'))
