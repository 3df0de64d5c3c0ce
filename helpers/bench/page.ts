import { table } from '../table.ts'
import { origin } from './chart.ts'
import { noise } from './machine.ts'
import type { Data, Section, Shown } from './section.ts'

/** All that is kept, as a page beside the data. */
export function page(all: { section: Section; data: Data; shown: Shown }[]): string {
  const parts = all.map(({ section: { name, compares }, data, shown }) => {
    const { head, rows, pictures, sees, why, what } = shown
    const reason = noise(data)
    return [
      `## ${name}`,
      `${compares[0].toUpperCase()}${compares.slice(1)}.`,
      ...Object.keys(pictures).map((file) => `![${reason ? compares : sees}](../pictures/${file})`),
      reason
        ? `**The machine was too noisy to conclude:** ${reason}.`
        : `* **What you see.** ${sees}\n* **Why.** ${why}\n* **What to do.** ${what}`,
      `\`\`\`text\n${table(head, rows)}\n\`\`\``,
      `${origin(data)}; ${data.date}; [the data](${name}.json).`,
    ].filter(Boolean)
  })
  const intro = `<!-- Written by \`npm run bench\`. -->

# How far one writer goes

The specification says what happens; this says how much, on the machine named below each table. Every figure was measured side by side with what
it is compared with, in one run, in turns, and is the median of its runs, or what all of them come to; what the counter says in the end is compared with what was confirmed
after each. \`npm run bench\` measures it on yours, \`npm run bench -- --full\` with more cases, longer and more often.`
  return `${[intro, ...parts.flat()].join('\n\n')}\n`
}
