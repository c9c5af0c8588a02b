// What the codes of Node say about a connection that did not come about or broke, for a tired person.

export function wordsOf(code: string): string {
  const words = WORDS[code]
  if (words !== undefined) return `${words} (${code})`
  if (code.startsWith('HPE_')) return `what it answered is not HTTP (${code})`
  if (/CERT|TLS|SSL|UNABLE_TO|SELF_SIGNED|EPROTO/.test(code)) return `its TLS cannot be trusted or is none (${code})`
  return `no answer (${code})`
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ECONNRESET: 'it closed the connection before it answered',
  EPIPE: 'it closed the connection before it had the message',
  EHOSTUNREACH: 'there is no way to it',
  ENETUNREACH: 'there is no way to its network',
  ETIMEDOUT: 'it does not take a connection',
  HPE_HEADER_OVERFLOW: 'the headers of its answer are too long',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is signed by nobody whom we trust',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is signed by nobody whom we trust',
}
