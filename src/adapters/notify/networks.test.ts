import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rulingOf } from './networks.ts'

const REFUSED: readonly (readonly [string, RegExp])[] = [
  ['127.0.0.1', /loopback/],
  ['127.255.255.254', /loopback/],
  ['::1', /loopback/],
  ['0:0:0:0:0:0:0:1', /loopback/],
  ['10.0.0.1', /private/],
  ['172.16.0.1', /private/],
  ['172.31.255.255', /private/],
  ['192.168.1.1', /private/],
  ['fd12:3456::1', /private/],
  ['fc00::1', /private/],
  ['fec0::1', /private/],
  ['169.254.1.1', /link-local/],
  ['fe80::1', /link-local/],
  ['fe80::1%eth0', /link-local/],
  ['febf::1', /link-local/],
  ['100.64.0.1', /CGNAT/],
  ['100.127.255.255', /CGNAT/],
  ['224.0.0.1', /multicast/],
  ['239.255.255.250', /multicast/],
  ['ff02::1', /multicast/],
  ['0.0.0.0', /unspecified/],
  ['0.1.2.3', /unspecified/],
  ['::', /unspecified/],
  ['255.255.255.255', /reserved/],
  ['169.254.169.254', /metadata/],
  ['fd00:ec2::254', /metadata/],
  ['fd20:ce::254', /metadata/],
  ['100.100.100.200', /metadata/],
  ['168.63.129.16', /metadata/],
  ['192.0.0.192', /metadata/],
  ['::ffff:127.0.0.1', /written as IPv6/],
  ['::ffff:7f00:1', /written as IPv6/],
  ['::ffff:a9fe:a9fe', /written as IPv6/],
  ['::ffff:8.8.8.8', /written as IPv6/],
  ['::ffff:0:127.0.0.1', /written as IPv6/],
  ['::127.0.0.1', /written as IPv6/],
  ['64:ff9b::10.0.0.1', /translated/],
  ['64:ff9b::169.254.169.254', /link-local address behind NAT64/],
  ['64:ff9b:1::169.254.169.254', /translated/],
  ['2002:7f00:1::', /translated/],
  ['2002:a9fe:a9fe::1', /link-local address behind 6to4/],
  ['2001:0:1234::1', /special/],
  ['2001:db8::1', /documentation/],
  ['192.0.2.1', /documentation/],
  ['198.18.0.1', /measurements/],
  ['4000::1', /special/],
  ['', /not an address/],
  ['plimsoll.example', /not an address/],
]

void test('an address that is not public is refused, however it is written', () => {
  const ruling = rulingOf([])
  for (const [address, why] of REFUSED) assert.match(ruling(address) ?? 'allowed', why, address)
})

void test('a public address is not refused', () => {
  const ruling = rulingOf([])
  for (const address of ['8.8.8.8', '172.15.255.255', '172.32.0.1', '100.63.255.255', '100.128.0.1', '1.1.1.1'])
    assert.equal(ruling(address), null, address)
  for (const address of ['2606:4700::1111', '2a00:1450:4001::200e', '2001:4860:4860::8888'])
    assert.equal(ruling(address), null, address)
})

void test('a listed network is open, and nothing beside it', () => {
  const ruling = rulingOf(['10.20.0.0/16', 'fd12:3456::/32', '127.0.0.2'])
  assert.equal(ruling('10.20.3.4'), null)
  assert.equal(ruling('fd12:3456::1'), null)
  assert.equal(ruling('127.0.0.2'), null)
  assert.match(ruling('10.21.0.1') ?? '', /private/)
  assert.match(ruling('127.0.0.1') ?? '', /loopback/)
  // Another spelling is another address.
  assert.match(ruling('::ffff:10.20.3.4') ?? '', /written as IPv6/)
})

void test('whoever lists everything still opens no metadata, link-local, unspecified or multicast address', () => {
  const ruling = rulingOf(['0.0.0.0/0', '::/0'])
  assert.equal(ruling('10.0.0.1'), null)
  assert.equal(ruling('127.0.0.1'), null)
  assert.equal(ruling('64:ff9b::10.0.0.1'), null)
  const closed = ['169.254.169.254', '169.254.0.1', 'fe80::1', 'fe80::1%eth0', 'fd00:ec2::254', '100.100.100.200']
  const dressed = [
    '::ffff:169.254.169.254',
    '::169.254.169.254',
    '64:ff9b::a9fe:a9fe',
    '2002:a9fe:a9fe::',
    '64:ff9b::100.100.100.200',
  ]
  for (const address of [...closed, ...dressed, '0.0.0.0', '::', '224.0.0.1', 'ff02::1'])
    assert.notEqual(ruling(address), null, address)
})

void test('everything of IPv6 opens nothing of IPv4', () => {
  assert.match(rulingOf(['::/0'])('10.0.0.1') ?? '', /private/)
})

void test('a network that is none is a mistake that is heard', () => {
  for (const text of ['10.0.0.0/33', 'lab', '', '10.0.0.0/', '10.0.0.0/8/8', '::/129', '10.0.0.0/-1', '10.0.0.0/1e1'])
    assert.throws(() => rulingOf([text]), /is not a network/, text)
})
