import { createHistogram } from 'node:perf_hooks'
import { table } from './table.ts'
import { type Answer, refused, took } from './users.ts'

const percentiles = [50, 66, 75, 80, 90, 95, 98, 99, 99.9, 99.99, 100]

/** What a run comes down to. Times in milliseconds. */
export type Figures = {
  requests: number
  failures: number
  average: number
  least: number
  most: number
  perSecond: number
  failuresPerSecond: number
  /** The time within which so many per cent of the requests were answered. */
  percentile: (percent: number) => number
}

/** The figures of at least one answer. */
export function figures(answers: Answer[]): Figures {
  const microseconds = createHistogram()
  for (const answer of answers) microseconds.record(Math.max(1, Math.round(took(answer) * 1_000)))
  const first = answers.reduce((first, { began }) => (began < first ? began : first), answers[0].began)
  const last = answers.reduce((last, { ended }) => (ended > last ? ended : last), answers[0].ended)
  const seconds = Number(last - first) / 1e9
  const failures = refused(answers).length
  return {
    requests: answers.length,
    failures,
    average: microseconds.mean / 1_000,
    least: microseconds.min / 1_000,
    most: microseconds.max / 1_000,
    perSecond: answers.length / seconds,
    failuresPerSecond: failures / seconds,
    percentile: (percent) => microseconds.percentile(percent) / 1_000,
  }
}

/** Why a user was turned away, in a line. */
export function reason({ page, refusal }: Answer): string {
  const [statement] = /^[A-Z]+( IMMEDIATE)?( INTO)?( \w+)?/.exec(refusal?.statement ?? '') ?? ['']
  return `GET /${page}/: 500, ${refusal?.code}: ${refusal?.message}, at ${statement}`
}

/** The three tables that locust ends with: requests, percentiles of the response times, errors. */
export function report(answers: Answer[]): string {
  const pages = Object.entries(Object.groupBy(answers, ({ page }) => page))
  const rows = <Row>(row: (figures: Figures) => Row[]) => [
    ...pages.map(([page, own = []]) => ['GET', `/${page}/`, ...row(figures(own))]),
    ['', 'Aggregated', ...row(figures(answers))],
  ]
  const requests = rows((all) => [
    all.requests,
    `${all.failures} (${((100 * all.failures) / all.requests).toFixed(2)}%)`,
    ...[all.average, all.least, all.most, all.percentile(50)].map((ms) => ms.toFixed(0)),
    ...[all.perSecond, all.failuresPerSecond].map((rate) => rate.toFixed(2)),
  ])
  const times = rows((all) => [...percentiles.map((percent) => all.percentile(percent).toFixed(0)), all.requests])
  const errors = Object.entries(
    Object.groupBy(
      answers.filter(({ refusal }) => refusal),
      reason,
    ),
  ).map(([error, own = []]) => [own.length, error])
  return [
    table(['Type', 'Name', '# reqs', '# fails', 'Avg', 'Min', 'Max', 'Med', 'req/s', 'failures/s'], requests),
    'Response time percentiles, in milliseconds',
    table(['Type', 'Name', ...percentiles.map((percent) => `${percent}%`), '# reqs'], times),
    ...(errors.length > 0 ? ['Error report', table(['# occurrences', 'Error'], errors)] : []),
  ].join('\n\n')
}
