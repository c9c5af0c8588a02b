// What somebody may whom an identity provider vouches for: his groups against what the operator grants to groups. Nothing is remembered from
// an earlier sign-in, so that a group that is gone takes its right away.
import { CLAIM_CHARS_MAX, GROUPS_MAX, USER_CHARS_MAX } from '../../domain/limits.ts'
import type { Grant } from '../../domain/principal.ts'
import type { Claims, SignedIn, SignInAnswer, SignInRefusal, SignInRules } from '../../domain/sign-in.ts'
import { signInRefused } from '../../domain/sign-in.ts'

/** `projects` are those that the policy has: a grant of another one is none. */
export function signedIn(claims: Claims, rules: SignInRules, projects: ReadonlySet<string>): SignInAnswer<SignedIn> {
  const user = userOf(claims, rules)
  if (typeof user !== 'string') return user
  const groups = groupsOf(claims, rules)
  if (!isList(groups)) return groups
  const subject = claims['sub']
  if (!isSubject(subject)) return noName(rules, 'The identity provider did not say who you are (the claim sub).')
  const mine = new Set(groups)
  const granted = rules.grants.filter(({ group }) => mine.has(group))
  const grants = distinct(granted.filter(({ project }) => project === null || projects.has(project)))
  if (grants.length === 0) return nothingGranted(user, groups, granted, rules)
  return { ok: true, value: { user, subject, groups: distinctText(granted.map(({ group }) => group)), grants } }
}

/** The standard gives it 255 characters; what cannot be stored is nobody. */
export const isSubject = (sub: unknown): sub is string =>
  typeof sub === 'string' && sub !== '' && sub.length <= CLAIM_CHARS_MAX && isPrintable(sub)

const ask = ({ contact }: SignInRules): string => (contact === null ? 'an admin of this Plimsoll' : contact)
const isList = (value: readonly string[] | SignInRefusal): value is readonly string[] => Array.isArray(value)
const noName = (rules: SignInRules, message: string): SignInRefusal =>
  signInRefused('sign-in-no-name', message, `ask ${ask(rules)}`)

// Control characters, and what turns text around: a name stands in tables beside others.
// oxlint-disable-next-line no-control-regex -- they are what is refused
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/

/** Half of a character is none: PostgreSQL takes it neither as text nor in JSON. */
const isPrintable = (text: string): boolean => !UNPRINTABLE.test(text) && text.isWellFormed()

function userOf(claims: Claims, rules: SignInRules): string | SignInRefusal {
  const value = claims[rules.user]
  if (typeof value !== 'string' || value.trim() === '')
    return noName(rules, `The identity provider did not say your name (the claim ${rules.user} is missing).`)
  // Anybody may write anybody's address into his profile until the provider has checked it.
  if (rules.user === 'email' && claims['email_verified'] !== true)
    return noName(
      rules,
      'Your e-mail address is not verified at the identity provider, so it cannot be your name here.',
    )
  if (value.length > USER_CHARS_MAX || value !== value.trim() || !isPrintable(value))
    return noName(
      rules,
      `Your name at the identity provider (the claim ${rules.user}) cannot be one here: it has at most ${USER_CHARS_MAX} printable characters.`,
    )
  // Providers write one address in several ways; here it is one person.
  return rules.user === 'email' ? value.toLowerCase() : value
}

/** One text is one group; a claim that is not there is no group. */
function groupsOf(claims: Claims, rules: SignInRules): readonly string[] | SignInRefusal {
  const value = claimAt(claims, rules.groups)
  // Entra sends a reference instead of the list from about 200 groups on.
  const elsewhere = claims['_claim_names']
  const moved = typeof elsewhere === 'object' && elsewhere !== null && Object.hasOwn(elsewhere, rules.groups)
  if (value === undefined && (moved || claims['hasgroups'] === true))
    return tooMany(rules, 'You are in more groups than the identity provider tells of.')
  const list: readonly unknown[] = Array.isArray(value) ? value : value === undefined || value === null ? [] : [value]
  if (list.length > GROUPS_MAX) return tooMany(rules, `You are in ${list.length} groups; ${GROUPS_MAX} are read.`)
  return list.filter((each): each is string => typeof each === 'string' && each.length <= CLAIM_CHARS_MAX)
}

const tooMany = (rules: SignInRules, message: string): SignInRefusal =>
  signInRefused(
    'sign-in-too-many-groups',
    message,
    `ask ${ask(rules)} to let the provider send only the groups that matter here`,
  )

/** The claim of this name, or else what lies at this way of names and dots: a name may have dots itself. */
export function claimAt(claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name]
  let inner: unknown = claims
  for (const part of name.split('.')) {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner) || !Object.hasOwn(inner, part))
      return undefined
    inner = (inner as Claims)[part]
  }
  return inner
}

function nothingGranted(
  user: string,
  groups: readonly string[],
  granted: readonly Grant[],
  rules: SignInRules,
): SignInRefusal {
  const missing = distinctText(granted.map(({ project }) => project ?? ''))
  const why =
    missing.length > 0
      ? `your groups have a role only in ${missing.join(', ')}, which the policy does not have`
      : groups.length === 0
        ? `the identity provider names no group of yours (the claim ${rules.groups} is missing or empty)`
        : groups.length === 1
          ? `your group (${shown(groups)}) has no role here`
          : `none of your ${groups.length} groups (${shown(groups)}) has a role here`
  return signInRefused('sign-in-no-group', `You are ${user}, but ${why}.`, `ask ${ask(rules)} for a group that has one`)
}

const GROUPS_SHOWN = 5
const GROUP_CHARS_SHOWN = 60

/** As many as a person reads; the words are the provider's. */
function shown(groups: readonly string[]): string {
  const words = groups
    .slice(0, GROUPS_SHOWN)
    .map((group) => group.replaceAll(new RegExp(UNPRINTABLE, 'g'), '?').slice(0, GROUP_CHARS_SHOWN).toWellFormed())
  return [...words, ...(groups.length > GROUPS_SHOWN ? ['…'] : [])].join(', ')
}

/** Those of every project first: who shows one shows the widest. */
function distinct(grants: readonly Grant[]): readonly Grant[] {
  const seen = new Map(grants.map(({ role, project }) => [`${role} ${project ?? ''}`, { role, project }]))
  return [...seen.values()].toSorted((a, b) => Number(a.project !== null) - Number(b.project !== null))
}

const distinctText = (texts: readonly string[]): readonly string[] => [...new Set(texts)]
