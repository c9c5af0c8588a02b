// Where Debian's Chromium is. Where there is none and we may install packages, it is installed; otherwise the browser tests say why they
// cannot run.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const INSTALL_MS_MAX = 300_000

export function findChromium(): string {
  const asked = process.env.PLIMSOLL_CHROMIUM
  if (asked !== undefined) return asked
  const found = PLACES.find((place) => existsSync(place))
  if (found !== undefined) return found
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    throw new Error('there is no Chromium: install the package chromium, or name one in PLIMSOLL_CHROMIUM')
  }
  const options = { stdio: 'ignore', timeout: INSTALL_MS_MAX } as const
  spawnSync('apt-get', ['update', '-qq'], options)
  spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'], options)
  const installed = PLACES.find((place) => existsSync(place))
  if (installed === undefined) throw new Error('Chromium could not be installed: apt-get install chromium says why')
  return installed
}

/** As root its own sandbox cannot be made. */
export const chromiumOptions = () => ({
  executablePath: findChromium(),
  ...(process.getuid?.() === 0 ? { args: ['--no-sandbox'] } : { chromiumSandbox: true }),
})
