// One line of doctor: what was looked at, how it is, and what to do about it.

export type Check = {
  readonly name: string
  readonly state: 'good' | 'missing' | 'wrong' | 'note'
  readonly detail: string
  readonly whatToDo: string | null
}

export const check = (name: string, state: Check['state'], detail: string, whatToDo: string | null = null): Check => {
  return { name, state, detail, whatToDo }
}
