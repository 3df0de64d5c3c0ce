/** How the examination is made. */
export type Scale = {
  /** Milliseconds that a stack is given to start, to answer what nobody keeps it from, and to end. */
  patience: number
  /** Milliseconds that a refusal may take, where the stack does not state how many. */
  within: number
  /** Milliseconds that a lock is held, and a process stopped. */
  hold: number
  /** How many processes make a crowd, and how many increments each of them makes. */
  crowd: number
  rounds: number
}

/** `hold` is more than a second, for a busy timeout of a second is what many set, and that one is too short is to be certain. */
export const usual: Scale = { patience: 10_000, within: 10_000, hold: 1_200, crowd: 8, rounds: 50 }
