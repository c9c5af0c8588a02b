// As much of a browser as a sign-in needs: cookies by host and path, redirects one at a time, so that each address on the way can be read.
export type Step = { readonly url: string; readonly response: Response }

type Cookie = {
  readonly origin: string
  readonly name: string
  readonly value: string
  readonly path: string
  readonly text: string
}

type Asking = {
  readonly method?: string
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
}

export class CookieJar {
  #cookies: Cookie[] = []

  /** What was set, as it was set. */
  get cookies(): readonly Cookie[] {
    return this.#cookies
  }

  async ask(url: string, init: Asking = {}): Promise<Step> {
    const { origin, pathname } = new URL(url)
    const mine = this.#cookies.filter((each) => each.origin === origin && pathname.startsWith(each.path))
    const response = await fetch(url, {
      redirect: 'manual',
      ...init,
      headers: {
        accept: 'text/html,*/*',
        ...init.headers,
        ...(mine.length === 0 ? {} : { cookie: mine.map(({ name, value }) => `${name}=${value}`).join('; ') }),
      },
    })
    for (const text of response.headers.getSetCookie()) this.#keep(origin, text)
    return { url, response }
  }

  #keep(origin: string, text: string): void {
    const [pair = '', ...attributes] = text.split(';').map((part) => part.trim())
    const [name = '', value = ''] = pair.split(/=(.*)/s)
    const path = attributes.find((each) => /^path=/i.test(each))?.slice(5) ?? '/'
    this.#cookies = this.#cookies.filter((each) => each.origin !== origin || each.name !== name || each.path !== path)
    const over = /max-age=0(?:;|$)/i.test(text) || /expires=Thu, 01 Jan 1970/i.test(text)
    if (!over) this.#cookies.push({ origin, name, value, path, text })
  }

  /** Goes on until something is no redirect, or leads where `until` says; returns each step. */
  async follow(from: Step, until: (url: string) => boolean = () => false): Promise<readonly Step[]> {
    const steps = [from]
    for (let step = from; steps.length < 20;) {
      const to = step.response.headers.get('location')
      if (step.response.status < 300 || step.response.status > 399 || to === null) return steps
      const url = new URL(to, step.url).href
      if (until(url)) return [...steps, { url, response: new Response() }]
      step = await this.ask(url)
      steps.push(step)
    }
    throw new Error(`redirects without end: ${steps.map(({ url }) => url).join(' ')}`)
  }
}
