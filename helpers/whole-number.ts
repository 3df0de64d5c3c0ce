import { InvalidArgumentError } from 'commander'

/** Reads an option of the command line that is a whole number from `least` to `most`; anything else is one clear sentence. */
export function wholeNumber(least: number, most: number) {
  return (text: string): number => {
    const number = Number(text)
    if (/^\d+$/.test(text) && number >= least && number <= most) return number
    throw new InvalidArgumentError(`It takes a whole number from ${least} to ${most}.`)
  }
}
