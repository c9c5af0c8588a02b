/** Chance is an argument: the simulator repeats it from a seed. */
export interface Chance {
  /** In [0, 1). */
  fraction(): number
  /** 30 random bits, for ids. */
  bits30(): number
}
