/**
 * A stack is a program that owns its transactions: a driver, an ORM, a framework, with your settings, in any language. It counts: it reads a
 * number, and writes one more. Here it is put through what the chapters before told of SQLite, and each promise that it can keep is judged. Progress
 * can be promised or not: one who is turned away can come again. Safety cannot: what was confirmed is there.
 *
 * The stack named in `STACK`, or else fixtures/stacks/tutorial.ts, which keeps them all; `npm run check -- your-stack.ts` is the short way.
 * How to write one: fixtures/stacks/README.md
 *
 * https://sqlite.org/isolation.html · https://sqlite.org/lang_transaction.html · https://sqlite.org/c3ref/busy_timeout.html
 */
import { resolve } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { beforeAll, beforeEach, describe, inject, type TestContext, test } from 'vitest'
import { showText } from '../helpers/show.ts'
import { type Baseline, changeOf, readBaseline } from '../helpers/stack/baseline.ts'
import { card, type Report, reportOf } from '../helpers/stack/card.ts'
import { demands, examine } from '../helpers/stack/examination.ts'
import { promises } from '../helpers/stack/findings.ts'
import { usual } from '../helpers/stack/scale.ts'
import { subjectOf } from '../helpers/stack/subject.ts'

const { STACK = 'fixtures/stacks/tutorial.ts', BASELINE, INIT_CWD } = process.env
const folder = (process.env.STACK || BASELINE) && INIT_CWD ? INIT_CWD : process.cwd()

let report: Report
let baseline: Baseline | undefined

beforeAll(async () => {
  const { database, ...scale } = inject('check') ?? {}
  const subject = { ...subjectOf(STACK, folder), database }
  baseline = BASELINE ? readBaseline(resolve(folder, BASELINE)) : undefined
  report = reportOf(subject, await examine(subject, { ...usual, ...scale }), baseline)
}, 86_400_000) // each step of it has a limit of its own
beforeEach((context) => showText(context, 'the verdict card', stripVTControlCharacters(card(report)).trim()))

/** A demand on the adapter: red with the sentence that tells its author what to change. */
function demand({ task, skip }: TestContext) {
  task.file.meta.report = report
  const [, met] = report.adapter.find(([demand]) => demand === task.name) ?? []
  if (met === undefined && Object.values<string>(demands).includes(task.name)) skip('the fault above comes first')
  if (met !== true) throw new Error(met ?? `there is no such demand: ${task.name}`)
}

/** A promise: green if it is kept, red if it is broken, or not as the baseline has it; what is broken as the baseline has it is skipped. */
function promise({ task, skip }: TestContext) {
  task.file.meta.report = report
  const finding = report.findings.find(({ id }) => promises[id] === task.name)
  if (!finding) throw new Error(`there is no such promise: ${task.name}`)
  const { id, verdict, why, cause, chapter } = finding
  const change = baseline && changeOf(finding, baseline)
  if (change) throw new Error(change)
  if (verdict === 'broken' && !baseline) throw new Error([why, cause, chapter && `see ${chapter}`].filter(Boolean).join('\n'))
  if (verdict !== 'kept') skip(`${id}: ${verdict}: ${why}`)
}

describe('Your stack', { tags: ['q51'] }, () => {
  describe('when its adapter is alone', () => {
    test('it starts, and answers', demand)
    test('it confirms an increment, and has counted one', demand)
    test('it pauses between its read and its write, or says why it cannot', demand)
    test('it ends when its input does', demand)
    test('another process of it finds what it has counted', demand)
  })

  describe('when it has to share: progress', () => {
    test('nobody is turned away when another process writes between its read and its write', promise)
    test('nobody is turned away when another process holds the lock for more than a second', promise)
    test('nobody is turned away when eight processes make fifty increments each', promise)
    test('nobody is turned away when eight processes at once open a fresh database', promise)
  })

  describe('when it has to share: safety', () => {
    test('what is confirmed is counted, and nothing else, when another process writes between its read and its write', promise)
    test('nothing is confirmed while another process holds the lock', promise)
    test('what is confirmed is counted, and nothing else, when eight processes make fifty increments each', promise)
    test('what is confirmed is counted, and nothing else, when eight processes at once open a fresh database', promise)
    test('what is confirmed is counted when its process is killed right afterwards', promise)
    test('what is confirmed is counted, and nothing else, when one of eight processes is killed in the middle', promise)
    test('what is confirmed is counted, and nothing else, when a process is stopped for a second in the middle', promise)
  })

  describe('when it has to share: manners', () => {
    test('a refusal is reported as a refusal, and in time', promise)
    test('after a refusal, its connection can be used', promise)
    test('while a reader stays, its COMMIT is confirmed, or is refused and rolled back', promise)
    test('a reader is not turned away while a writer works', promise)
  })
})
