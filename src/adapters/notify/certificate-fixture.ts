// A certificate of its own for one run of a test: localhost, signed by itself. Node makes keys but no certificates, and a program that does
// is not on every machine.
import { generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto'

export function selfSigned(): { readonly key: string; readonly cert: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const algorithm = sequence(der(0x06, bytes('2a8648ce3d040302')))
  const name = sequence(der(0x31, sequence(der(0x06, bytes('550403')), der(0x0c, Buffer.from('localhost')))))
  const validity = sequence(der(0x17, Buffer.from('260101000000Z')), der(0x17, Buffer.from('491231235959Z')))
  const names = sequence(der(0x82, Buffer.from('localhost')), der(0x87, Buffer.from([127, 0, 0, 1])))
  const extensions = sequence(
    sequence(der(0x06, bytes('551d13')), der(0x01, bytes('ff')), der(0x04, sequence(der(0x01, bytes('ff'))))),
    sequence(der(0x06, bytes('551d11')), der(0x04, names)),
  )
  const signed = sequence(
    der(0xa0, der(0x02, bytes('02'))),
    der(0x02, Buffer.concat([bytes('01'), randomBytes(8)])),
    algorithm,
    name,
    validity,
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, extensions),
  )
  const signature = der(0x03, Buffer.concat([bytes('00'), sign('sha256', signed, privateKey)]))
  const cert = new X509Certificate(sequence(signed, algorithm, signature)).toString()
  return { key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), cert }
}

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex')
const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, Buffer.concat(parts))

function der(tag: number, content: Uint8Array): Buffer {
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}
