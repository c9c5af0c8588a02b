import type { EpochMs } from '../domain/units.ts'

/** The leader's clock: the database's clock at one moment, plus boot time since (design: books, Time). It never steps. */
export interface Clock {
  now(): EpochMs
}
