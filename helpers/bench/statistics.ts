/** The middle one of the numbers in their order; of an even count, the upper of the two in the middle. */
export function median(numbers: number[]): number {
  return numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)]
}
