// Which addresses a channel may be at. Only public ones, unless the operator lists a network: behind an address that a stranger chose may
// stand a database, the service that hands out the cloud's credentials, or we ourselves. `net.BlockList` does the arithmetic. The lists of
// the two families are apart: it takes an IPv4 address for a part of `::/0`.
import { BlockList, isIP, isIPv6 } from 'node:net'

/** Why nobody may be called there, in words; null: one may. */
export type Ruling = (address: string) => string | null

/** Closed to everybody, whatever is listed: [network, what it is]. */
const NEVER: readonly (readonly [string, string])[] = [
  // The services that tell a machine who it is: AWS, Google, Azure (and its agent's), Alibaba, Oracle.
  ['169.254.169.254', 'the metadata service of a cloud'],
  ['fd00:ec2::254', 'the metadata service of a cloud'],
  ['fd20:ce::254', 'the metadata service of a cloud'],
  ['168.63.129.16', 'the metadata service of a cloud'],
  ['100.100.100.200', 'the metadata service of a cloud'],
  ['192.0.0.192', 'the metadata service of a cloud'],
  ['169.254.0.0/16', 'a link-local address'],
  ['fe80::/10', 'a link-local address'],
  ['0.0.0.0/8', 'an unspecified address'],
  ['::/128', 'an unspecified address'],
  ['224.0.0.0/4', 'a multicast address'],
  ['ff00::/8', 'a multicast address'],
  ['240.0.0.0/4', 'a reserved address'],
  // An IPv4 address in the clothes of IPv6 is another spelling of what was decided on: nobody needs it.
  ['::ffff:0:0/96', 'an IPv4 address written as IPv6'],
  ['::ffff:0:0:0/96', 'an IPv4 address written as IPv6'],
  ['::a9fe:0/112', 'an IPv4 address written as IPv6'],
  ['::6464:64c8', 'an IPv4 address written as IPv6'],
  ['64:ff9b:1::/48', 'a translated address'],
  // What is closed above, behind a translator that the operator may have listed.
  ['64:ff9b::a9fe:0/112', 'a link-local address behind NAT64'],
  ['64:ff9b::6464:64c8', 'the metadata service of a cloud behind NAT64'],
  ['64:ff9b::a83f:8110', 'the metadata service of a cloud behind NAT64'],
  ['64:ff9b::c000:c0', 'the metadata service of a cloud behind NAT64'],
  ['2002:a9fe::/32', 'a link-local address behind 6to4'],
  ['2002:6464:64c8::/48', 'the metadata service of a cloud behind 6to4'],
  ['2002:a83f:8110::/48', 'the metadata service of a cloud behind 6to4'],
  ['2002:c000:c0::/48', 'the metadata service of a cloud behind 6to4'],
]

/** Closed, unless the operator lists them (the registries of special addresses of IANA). */
const CLOSED: readonly (readonly [string, string])[] = [
  ['127.0.0.0/8', 'a loopback address'],
  ['::1/128', 'a loopback address'],
  ['10.0.0.0/8', 'a private address'],
  ['172.16.0.0/12', 'a private address'],
  ['192.168.0.0/16', 'a private address'],
  ['fc00::/7', 'a private address'],
  ['fec0::/10', 'a private address'],
  ['100.64.0.0/10', 'a shared address of a provider (CGNAT)'],
  ['192.0.0.0/24', 'a special address'],
  ['192.0.2.0/24', 'an address for documentation'],
  ['198.51.100.0/24', 'an address for documentation'],
  ['203.0.113.0/24', 'an address for documentation'],
  ['192.88.99.0/24', 'a translated address'],
  ['198.18.0.0/15', 'an address for measurements'],
  ['::/96', 'an IPv4 address written as IPv6'],
  ['64:ff9b::/96', 'a translated address'],
  ['2001::/23', 'a special address'],
  ['2001:db8::/32', 'an address for documentation'],
  ['2002::/16', 'a translated address'],
  ['3fff::/20', 'an address for documentation'],
]

/** Of IPv6 only this is given out to the public. */
const PUBLIC_IPV6 = networksOf(['2000::/3'])
const never = NEVER.map(([network, what]) => ({ list: networksOf([network]), what }))
const closed = CLOSED.map(([network, what]) => ({ list: networksOf([network]), what }))

/** Throws where a network is none: a setting that would silently open nothing, or all. */
export function rulingOf(allowNetworks: readonly string[]): Ruling {
  const listed = networksOf(allowNetworks)
  return (address) => {
    if (isIP(address) === 0) return 'not an address'
    const shut = never.find(({ list }) => has(list, address))
    if (shut !== undefined) return shut.what
    if (has(listed, address)) return null
    const refused = closed.find(({ list }) => has(list, address))
    if (refused !== undefined) return refused.what
    return isIPv6(address) && !has(PUBLIC_IPV6, address) ? 'a special address' : null
  }
}

type Networks = { readonly ipv4: BlockList; readonly ipv6: BlockList }

function networksOf(texts: readonly string[]): Networks {
  const networks = { ipv4: new BlockList(), ipv6: new BlockList() }
  for (const text of texts) {
    const [address = '', bits, ...rest] = text.split('/')
    const version = isIP(address)
    const bitsMax = version === 6 ? 128 : 32
    const prefix = bits === undefined ? bitsMax : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN
    if (version === 0 || rest.length > 0 || !(prefix <= bitsMax))
      throw new Error(`"${text}" is not a network: write it as 10.20.0.0/16 or fd12:3456::/32`)
    if (version === 6) networks.ipv6.addSubnet(address, prefix, 'ipv6')
    else networks.ipv4.addSubnet(address, prefix, 'ipv4')
  }
  return networks
}

/** Of `fe80::1%eth0` the name of the interface is not part of the address. */
function has(networks: Networks, address: string): boolean {
  return isIPv6(address)
    ? networks.ipv6.check(address.replace(/%.*$/, ''), 'ipv6')
    : networks.ipv4.check(address, 'ipv4')
}
