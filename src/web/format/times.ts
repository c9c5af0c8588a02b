// Times in the viewer's zone, which the bar names once. The UTC instant stands in `title` and `datetime`. Today shows the hour only,
// other days their date, other years their year.
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const

const two = (value: number): string => String(value).padStart(2, '0')

export const hm = (at: number): string => {
  const date = new Date(at)
  return `${two(date.getHours())}:${two(date.getMinutes())}`
}

export const hms = (at: number): string => `${hm(at)}:${two(new Date(at).getSeconds())}`

export const hmsMs = (at: number): string => `${hms(at)}.${String(new Date(at).getMilliseconds()).padStart(3, '0')}`

export const day = (at: number): string => {
  const date = new Date(at)
  return `${date.getDate()} ${MONTHS[date.getMonth()] ?? ''}`
}

export const utc = (at: number): string => new Date(at).toISOString().replace('.000Z', 'Z')

const sameDay = (a: number, b: number): boolean => new Date(a).toDateString() === new Date(b).toDateString()

/** The moment as a reader at `now` wants it. */
export function when(at: number, now: number): string {
  if (sameDay(at, now)) return hm(at)
  const year = new Date(at).getFullYear()
  return year === new Date(now).getFullYear() ? `${day(at)} ${hm(at)}` : `${day(at)} ${year}`
}

/** The day alone where it is not today. */
export function shortWhen(at: number, now: number): string {
  if (sameDay(at, now)) return hm(at)
  const year = new Date(at).getFullYear()
  return year === new Date(now).getFullYear() ? day(at) : `${day(at)} ${year}`
}

/** `CET`, or `GMT+5:30` where the zone has no name that people know. */
export function zoneName(at: number): string {
  const nameIn = (locale: string): string =>
    new Intl.DateTimeFormat(locale, { timeZoneName: 'short' })
      .formatToParts(at)
      .find((part) => part.type === 'timeZoneName')?.value ?? ''
  const british = nameIn('en-GB')
  return /^GMT[+-]/.test(british) ? nameIn('en-US') : british
}

export const ms = (iso: string): number => Date.parse(iso)
export const msOrNull = (iso: string | null): number | null => (iso === null ? null : Date.parse(iso))
