/** The number that so much of them lie below, 0 … 1: between two of them, in proportion. */
export function quantile(numbers: number[], share: number): number {
  if (numbers.length === 0) throw new RangeError('there is no quantile of nothing')
  const sorted = Float64Array.from(numbers).sort()
  const place = share * (sorted.length - 1)
  const [below, above] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]]
  return below + (above - below) * (place - Math.floor(place))
}

export const median = (numbers: number[]) => quantile(numbers, 0.5)

/** The smallest, the middle one and the largest of what was measured several times. */
export type Spread = { least: number; median: number; most: number }

export const spread = (numbers: number[]): Spread => ({
  least: quantile(numbers, 0),
  median: median(numbers),
  most: quantile(numbers, 1),
})

/** How far the middle half of the numbers is apart, as a share of their median. */
export const unrest = (numbers: number[]) => (quantile(numbers, 0.75) - quantile(numbers, 0.25)) / median(numbers)

/** Jain's index: 1 where all have the same, 1/n where one of n has everything. Where nobody has anything, all have the same. */
export function jain(shares: number[]): number {
  const sum = shares.reduce((sum, share) => sum + share, 0)
  return sum === 0 ? 1 : sum ** 2 / (shares.length * shares.reduce((sum, share) => sum + share ** 2, 0))
}
