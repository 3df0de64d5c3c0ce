/** Which sections of the benchmarks say how much of what a chapter says that it happens. */
const illustrated: Record<string, string[]> = {
  10: ['ceiling'],
  50: ['timeout'],
  55: ['hold', 'queue'],
  62: ['readers'],
  63: ['fairness'],
  97: ['machinery'],
}

/** How much, for a chapter by its number: the pictures of its sections as `tests/bench/README.md` has them, and the sentences below each. */
export function howMuch(page: string, chapter: string): string[] {
  const figures = (illustrated[chapter] ?? []).flatMap((name) => {
    const section = page.split(`## ${name}\n`).at(1)?.split('\n```')[0]
    const told = section?.split('\n').filter((line) => /^(!\[|\* |\*\*The machine)/.test(line)) ?? []
    return told.join('\n').replaceAll('](../', '](').replace('\n* ', '\n\n* ')
  })
  if (figures.join('') === '') return []
  return ['### How much', 'Figures of one machine, and no tests: [npm run bench](bench/README.md).', ...figures]
}

/** The page of the specification, in which what was told of the figures before is replaced by what is told after. */
export function retold(specification: string, before: string, after: string): string {
  const told = (page: string, chapter: string) => howMuch(page, chapter).join('\n\n')
  return Object.keys(illustrated)
    .filter((chapter) => told(before, chapter) && told(after, chapter))
    .reduce((text, chapter) => text.replace(told(before, chapter), () => told(after, chapter)), specification)
}
