/**
 * Chapter 76 believes what the checker says of a history. This one tells it bad histories, one for every anomaly of the literature
 * (Adya's thesis; Elle, by Kingsbury and Alvaro), good ones, unknown outcomes and nonsense, and compares it with one who tries all orders.
 * Then it sets careless clients on a database, one for each promise that a stack can break, in lock-step: each is caught every time.
 *
 * In the histories told by hand, a transaction is a line. Those of one list run at the same time, the lists one after the other; a slow
 * transaction runs until the next list is through. `add c 7 +5` adds 5 to the total of c, as entry 7 of its ledger; `total c = 5 of 1`
 * reads 5 where the ledger has one entry.
 *
 * https://pmg.csail.mit.edu/papers/adya-phd.pdf · https://github.com/jepsen-io/elle
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import type { JournalMode } from '../helpers/fresh-database.ts'
import { Arena, type Place } from '../helpers/history/arena.ts'
import { isExplained } from '../helpers/history/brute-force.ts'
import { type Accounts, check, type Verdict } from '../helpers/history/checker.ts'
import { tell } from '../helpers/history/findings.ts'
import { type Event, forElle, fromLines, inOrder, type Op, toLines } from '../helpers/history/history.ts'
import { judged as judgedCampaign, keep } from '../helpers/history/keep.ts'
import { usual } from '../helpers/history/nemesis.ts'
import { Random } from '../helpers/history/random.ts'
import { simulated } from '../helpers/history/simulation.ts'
import { Workload } from '../helpers/history/workload.ts'

/** What a line says of a transaction; the reads without their answers are how it begins. */
function spelt(line: string): { type: Event['type']; slow: boolean; value: Op[] } {
  const [, slow, outcome, deeds] = /^(slow )?(?:(refused|unknown): )?(.*)$/.exec(line) as RegExpExecArray
  const value = [...deeds.matchAll(/(\w+) (\w+) ?(\[[^\]]*\]|[^,]*)/g)].map(([, kind, key, rest]): Op => {
    const numbers = (rest.match(/[+-]?\d+/g) ?? []).map(Number)
    if (kind === 'append') return ['append', key, numbers[0]]
    if (kind === 'add') return ['add', key, numbers[0], numbers[1]]
    if (kind === 'total') return ['total', key, rest ? [numbers[0], numbers[1]] : null]
    return ['r', key, rest ? numbers : null]
  })
  const type = outcome === 'refused' ? 'fail' : outcome === 'unknown' ? 'info' : 'ok'
  return { type, slow: slow !== undefined, value }
}

const asked = (value: Op[]) => value.map((op): Op => (op[0] === 'r' || op[0] === 'total' ? [op[0], op[1], null] : op))

function byHand(...stages: string[][]): Event[] {
  const events: Event[] = []
  const add = (type: Event['type'], process: number, value: Op[]) => events.push({ type, process, time: events.length, value })
  let [process, late]: [number, (() => void)[]] = [0, []]
  for (const stage of stages) {
    const transactions = stage.map((line) => ({ process: process++, ...spelt(line) }))
    for (const { process, value } of transactions) add('invoke', process, asked(value))
    for (const { process, type, slow, value } of transactions) if (!slow) add(type, process, value)
    for (const end of late) end()
    late = transactions
      .filter(({ slow }) => slow)
      .map(
        ({ process, type, value }) =>
          () =>
            add(type, process, value),
      )
  }
  for (const end of late) end()
  return events
}

const judged = (...stages: string[][]) => check(byHand(...stages))
const named = ({ findings }: Verdict) => findings.map(({ anomaly }) => anomaly)
const said = ({ findings }: Verdict) => findings.map(({ sentence }) => sentence)

describe('The checker, and a history in which all is well', { tags: ['q46'] }, () => {
  test('the checker finds nothing, and tells the order, where each reads what was there when it ran', () => {
    const verdict = judged(['append x 1'], ['r x [1], append x 2', 'append y 1'], ['r x [1, 2], r y [1]'])
    expect(verdict).toMatchObject({ findings: [], order: [0, 1, 2, 3], confirmed: 4, undecided: 0 })
  })
  test('the checker puts a transaction before another that ran at the same time, where what they read says so', () => {
    const verdict = judged(['append x 1', 'r x []'], ['r x [1]'])
    expect(verdict).toMatchObject({ findings: [], order: [1, 0, 2] })
  })
  test('the checker accepts that a slow transaction happens after one that began later', () => {
    expect(named(judged(['slow append x 1'], ['r x []'], ['r x [1]']))).toEqual([])
  })
  test('the checker accepts what a transaction reads of its own', () => {
    expect(named(judged(['append x 1, r x [1], append x 2, r x [1, 2]'], ['r x [1, 2]']))).toEqual([])
  })
  test('the checker accepts what a refused transaction has read, and what of it only itself has seen', () => {
    expect(named(judged(['append x 1'], ['refused: r x [1], append x 2, r x [1, 2]'], ['r x [1]']))).toEqual([])
  })
  test('the checker accepts transfers and counters whose totals are the sums of their entries', () => {
    const opening = ['add a 1 +100, add b 2 +100']
    const transfer = ['total a = 100 of 1, add a 3 -5, add b 4 +5', 'total a = 100 of 1, total b = 100 of 1']
    const verdict = check(byHand(opening, transfer, ['total a = 95 of 2, total b = 105 of 2, r a [1, 3], r b [2, 4]']), {
      keys: ['a', 'b'],
      sum: 200,
    })
    expect(verdict).toMatchObject({ findings: [], order: [0, 2, 1, 3] })
  })
  test('the checker accepts that a transaction reads all accounts in the middle of its own transfer', () => {
    const opening = 'add a 1 +100, add b 2 +100, total a = 100 of 1, total b = 100 of 1'
    const transfer = 'add a 3 -5, total a = 95 of 2, total b = 100 of 1, add b 4 +5'
    const events = byHand([opening], [transfer], ['total a = 95 of 2, total b = 105 of 2, r a [1, 3], r b [2, 4]'])
    expect(isExplained(events)).toBe(true)
    expect(check(events, { keys: ['a', 'b'], sum: 200 })).toMatchObject({ findings: [], order: [0, 1, 2] })
  })
  test('the checker counts what nobody has read as undecided', () => {
    expect(judged(['append x 1', 'append y 1', 'total c = 0 of 0'], ['r y [1]'])).toMatchObject({ findings: [], undecided: 1 })
  })
})

describe('The checker, and a history in which something is wrong', { tags: ['q46'] }, () => {
  test('the checker names a lost write: it was confirmed, and one who began later does not find it', () => {
    const verdict = judged(['append x 1'], ['append x 2'], ['r x [2]'])
    expect(named(verdict)).toEqual(['lost write'])
    expect(said(verdict)).toEqual(['T1 was confirmed, and T3, which began later, does not find its 1 in x'])
  })
  test('the checker names a duplicate: one write is there twice', () => {
    const verdict = judged(['append x 1'], ['r x [1, 1]'])
    expect(said(verdict)).toEqual(['T2 finds 1 in x twice'])
    expect(named(verdict)).toEqual(['duplicate'])
  })
  test('the checker names what comes from nowhere: nobody has written it', () => {
    const verdict = judged(['append x 1'], ['r x [1, 7]'])
    expect(named(verdict)).toEqual(['from nowhere'])
    expect(said(verdict)).toEqual(['T2 finds 7 in x, and nobody has put it there'])
  })
  test('the checker names what is half there: one write of a transaction is found, and another is not', () => {
    const verdict = judged(['append x 1, append y 1'], ['r x [1], r y []'])
    expect(named(verdict)).toEqual(['half there'])
    expect(said(verdict)).toEqual(['T2 finds 1 in x, of T1, and does not find its 1 in y'])
  })
  test('the checker names G1a, an aborted read: what was refused is there', () => {
    const verdict = judged(['refused: append x 1'], ['r x [1]'])
    expect(named(verdict)).toEqual(['G1a'])
    expect(said(verdict)).toEqual(['T2 finds 1 in x, of T1, which was refused'])
  })
  test('the checker names G1b, an intermediate read: another finds a part of what a transaction writes', () => {
    const verdict = judged(['append x 1, append x 2', 'r x [1]'], ['r x [1, 2]'])
    expect(named(verdict)).toContain('G1b')
    expect(said(verdict)).toContain('T2 finds in x a part of what T1 wrote')
  })
  test('the checker names an incompatible order: two lists that cannot be states of one', () => {
    const verdict = judged(['append x 1', 'append x 2'], ['r x [1, 2]', 'r x [2, 1]'])
    expect(named(verdict)).toEqual(['incompatible order'])
    expect(said(verdict)).toEqual(['T4 reads x = [2, 1], and T3 reads it otherwise'])
  })
  test('the checker names an internal contradiction: a transaction does not find what it has just written', () => {
    const verdict = judged(['append x 1, r x []'], ['r x [1]'])
    expect(named(verdict)).toEqual(['internal'])
    expect(said(verdict)).toEqual(['T1 reads x = [], which has to end with its own [1]'])
  })
  test('the checker names an internal contradiction: a transaction reads twice, and finds two things', () => {
    const verdict = judged(['append x 1', 'r x [], r x [1]'])
    expect(named(verdict)).toEqual(['internal', 'G-single'])
    expect(said(verdict)).toContain('T2 reads x = [1], where it has to be []')
  })
  test('the checker names an internal contradiction: a transaction reads what it is yet to write', () => {
    const verdict = judged(['r x [1], append x 1'], ['r x [1]'])
    expect(said(verdict)).toContain('T1 reads 1 in x before it has put it there')
  })
  test('the checker names an internal contradiction: a total counts an entry that its transaction is yet to make', () => {
    const verdict = judged(['total c = 5 of 1, add c 1 +5'], ['r c [1]'])
    expect(said(verdict)).toContain('T1 finds in c what it writes later')
  })
  test('the checker names an internal contradiction: what a transaction wrote is there in another order', () => {
    const verdict = judged(['append x 1, append x 2'], ['r x [2, 1]'])
    expect(said(verdict)).toContain('T2 finds 1 in x behind what T1 wrote later')
  })
  test('the checker names a wrong total: it is not the sum of its entries', () => {
    const verdict = judged(['add c 1 +1'], ['add c 2 +1'], ['total c = 1 of 2, r c [1, 2]'])
    expect(named(verdict)).toEqual(['wrong total'])
    expect(said(verdict)).toEqual(['T3 reads the total of c after 2 entries as 1, and their sum is 2'])
  })
  test('the checker names a wrong total: it counts entries that are not there', () => {
    const verdict = judged(['add c 1 +1'], ['total c = 2 of 2'], ['r c [1]'])
    expect(named(verdict)).toEqual(['wrong total'])
    expect(said(verdict)).toEqual(['T2 reads the total of c after 2 entries, and T3, which began later, finds fewer'])
  })
  test('the checker names a varying sum: one account has the money already, and the other has it still', () => {
    const events = byHand(
      ['add a 1 +100, add b 2 +100'],
      ['add a 3 -5, add b 4 +5', 'total a = 95 of 2, total b = 100 of 1'],
      ['r a [1, 3], r b [2, 4]'],
    )
    const verdict = check(events, { keys: ['a', 'b'], sum: 200 })
    expect(named(verdict)).toEqual(['varying sum', 'G-single'])
    expect(said(verdict)).toContain('T3 finds 195 in all accounts, and not 200')
  })
  test('the checker names a varying sum also where the one who has read it was refused later', () => {
    const events = byHand(
      ['add a 1 +100, add b 2 +100'],
      ['refused: total a = 95 of 1, total b = 100 of 1'],
      ['r a [1], r b [2]'],
    )
    expect(named(check(events, { keys: ['a', 'b'], sum: 200 }))).toEqual(['wrong total', 'varying sum'])
  })
  test('the checker names a varying sum where the reader has moved money itself, and found too little besides', () => {
    const events = byHand(
      ['add a 1 +100, add b 2 +100'],
      ['add a 3 -5, total a = 95 of 2, total b = 90 of 1, add b 4 +5'],
      ['r a [1, 3], r b [2, 4]'],
    )
    const verdict = check(events, { keys: ['a', 'b'], sum: 200 })
    expect(named(verdict)).toEqual(['wrong total', 'varying sum'])
    expect(said(verdict)).toContain('T2 finds 190 in all accounts, and not 200')
  })
  test('the checker names G0, a dirty write: transactions write over each other', () => {
    const verdict = judged(['append x 1, append y 1', 'append x 2, append y 2'], ['r x [1, 2], r y [2, 1]'])
    expect(named(verdict)).toEqual(['G0'])
    expect(said(verdict)).toEqual(['T1 wrote to x, and then T2 did; T2 wrote to y, and then T1 did'])
  })
  test('the checker names G1c, a circular flow of information: each finds what the other wrote', () => {
    const verdict = judged(['append x 1, r y [1]', 'append y 1, r x [1]'], ['r x [1], r y [1]'])
    expect(named(verdict)).toEqual(['G1c'])
    expect(said(verdict)).toEqual(['T2 found in x what T1 wrote; T1 found in y what T2 wrote'])
  })
  test('the checker names a lost update: two have read the same, and both have written', () => {
    const verdict = judged(['r x [], append x 1', 'r x [], append x 2'], ['r x [1, 2]'])
    expect(named(verdict)).toEqual(['lost update'])
    expect(said(verdict)).toEqual(['T1 and T2 have both read x when it had 0 entries, and both have written to it'])
  })
  test('the checker names a lost update where nobody has read what came of it: what nobody has found comes last', () => {
    expect(named(judged(['r x [], append x 1', 'r x [], append x 2']))).toEqual(['lost update'])
  })
  test('the checker names a lost update: a counter counts one of two', () => {
    const verdict = judged(['total c = 0 of 0, add c 1 +1', 'total c = 0 of 0, add c 2 +1'], ['total c = 1 of 1, r c [1, 2]'])
    expect(named(verdict)).toEqual(['internal', 'lost update'])
  })
  test('the checker names no lost update where one of the two was refused: that is a stale read', () => {
    const verdict = judged(['r x [], append x 1'], ['refused: r x [], append x 2'], ['r x [1]'])
    expect(named(verdict)).toEqual(['stale read'])
    expect(said(verdict)).toEqual(['T2 read x without what T1 wrote; T1 had ended before T2 began'])
  })
  test('the checker names G-single, read skew: one thing that has happened is found, and another is missed', () => {
    const verdict = judged(['append x 1, append y 1', 'r x [1], r y []'], ['r x [1], r y [1]'])
    expect(named(verdict)).toEqual(['G-single'])
    expect(said(verdict)).toEqual(['T2 read y without what T1 wrote; T2 found in x what T1 wrote'])
  })
  test('the checker names write skew: each has read what the other then wrote', () => {
    const verdict = judged(['r x [], append y 1', 'r y [], append x 1'], ['r x [1], r y [1]'])
    expect(named(verdict)).toEqual(['write skew'])
    expect(said(verdict)).toEqual(['T1 read x without what T2 wrote; T2 read y without what T1 wrote'])
  })
  test('the checker names G2: three miss what each other wrote, in a circle', () => {
    const verdict = judged(['r x [], append y 1', 'r y [], append z 1', 'r z [], append x 1'], ['r x [1], r y [1], r z [1]'])
    expect(named(verdict)).toEqual(['G2'])
  })
  test('the checker names G0-realtime: one writes before another that had ended before it began', () => {
    const verdict = judged(['append x 1'], ['append x 2'], ['r x [2, 1]'])
    expect(named(verdict)).toEqual(['G0-realtime'])
    expect(said(verdict)).toEqual(['T1 had ended before T2 began; T2 wrote to x, and then T1 did'])
  })
  test('the checker names G1c-realtime: one finds what was written after it had ended', () => {
    const verdict = judged(['r x [1]'], ['append x 1'], ['r x [1]'])
    expect(named(verdict)).toEqual(['G1c-realtime'])
    expect(said(verdict)).toEqual(['T1 had ended before T2 began; T1 found in x what T2 wrote'])
  })
  test('the checker names a stale read: one misses what was there before it began', () => {
    const verdict = judged(['append x 1'], ['r x []'], ['r x [1]'])
    expect(named(verdict)).toEqual(['stale read'])
    expect(said(verdict)).toEqual(['T2 read x without what T1 wrote; T1 had ended before T2 began'])
  })
  test('the checker names G2-realtime: three miss what each other wrote, in a circle that real time closes', () => {
    const verdict = judged(['append y 1', 'slow append x 1, r y []'], ['r x []'], ['r x [1], r y [1]'])
    expect(named(verdict)).toEqual(['G2-realtime'])
  })
  test('the checker finds each of two things that are wrong', () => {
    const verdict = judged(
      ['r x [], append x 1', 'r x [], append x 2', 'append y 1, append z 1', 'append y 2, append z 2'],
      ['r x [1, 2], r y [1, 2], r z [2, 1]'],
    )
    expect(named(verdict).toSorted()).toEqual(['G0', 'lost update'])
  })
  test('the checker tells twenty findings of a kind, and counts the others', () => {
    const elements = Array.from({ length: 30 }, (_, i) => i + 1)
    const verdict = judged(
      elements.map((element) => `append x ${element}`),
      ['r x []'],
    )
    expect(verdict).toMatchObject({ found: 30, findings: { length: 20 } })
  })
  test('a person can follow what the checker says: it tells the transactions that prove it, and their lines in the history', () => {
    const [finding] = judged(['append x 1'], ['r x []'], ['r x [1]']).findings
    expect(tell(finding)).toBe(
      [
        'stale read (a transaction misses what was there before it began (G-single-realtime)): ' +
          'T2 read x without what T1 wrote; T1 had ended before T2 began',
        '    T1, process 0, confirmed (lines 1 and 2): appends 1 to x',
        '    T2, process 1, confirmed (lines 3 and 4): reads x = []',
      ].join('\n'),
    )
  })
})

describe('The checker, and a transaction whose outcome is unknown', { tags: ['q46'] }, () => {
  test('the checker accepts that it has happened', () => {
    expect(judged(['unknown: append x 1, append y 1'], ['r x [1], r y [1]'])).toMatchObject({
      findings: [],
      unknown: 1,
      happened: 1,
    })
  })
  test('the checker accepts that it has not happened', () => {
    expect(judged(['unknown: append x 1, append y 1'], ['r x [], r y []'])).toMatchObject({
      findings: [],
      unknown: 1,
      happened: 0,
    })
  })
  test('the checker accepts that it happens late, when others have begun and ended meanwhile', () => {
    expect(named(judged(['unknown: append x 1'], ['r x []'], ['r x [1]']))).toEqual([])
  })
  test('the checker does not accept that it has happened in part', () => {
    expect(named(judged(['unknown: append x 1, append y 1'], ['r x [1], r y []']))).toEqual(['half there'])
  })
  test('the checker does not accept that it has happened, and then has not', () => {
    expect(named(judged(['unknown: append x 1'], ['r x [1]'], ['r x []']))).toEqual(['stale read'])
  })
  test('the checker does not accept that it happens before it begins', () => {
    expect(named(judged(['r x [1]'], ['unknown: append x 1'], ['r x [1]']))).toEqual(['G1c-realtime'])
  })
  test('the checker does not accept that two readers do not agree whether it had happened', () => {
    const verdict = judged(['unknown: append x 1', 'append y 1'], ['r x [1], r y [1]'], ['r x [], r y [1]'])
    expect(named(verdict)).toEqual(['stale read'])
  })
})

describe('The checker, and what is no history', { tags: ['q46'] }, () => {
  const event = (type: string, process: unknown, value: unknown, time = 0) => ({ type, process, time, value }) as Event
  const invoke = event('invoke', 1, [['append', 'x', 1]])
  const complaint = (...events: Event[]) => expect(() => check(events))

  test('the checker does not judge an empty history', () => {
    complaint().toThrow(/^the history is empty: there is nothing to judge$/)
  })
  test('the checker refuses an answer to what was not asked', () => {
    complaint(event('ok', 3, [])).toThrow(/^line 1: process 3 answers, and nothing was asked of it$/)
  })
  test('the checker refuses a process that begins twice', () => {
    complaint(invoke, event('invoke', 1, [])).toThrow(/^line 2: process 1 begins in the middle of T1$/)
  })
  test('the checker refuses an answer to another transaction than was asked', () => {
    complaint(invoke, event('ok', 1, [['append', 'x', 2]])).toThrow(/^line 2: process 1 answers another transaction than T1$/)
  })
  test('the checker refuses an answer that adds another amount than was asked', () => {
    const answer = event('ok', 1, [['add', 'c', 1, 6]])
    const sentence = /^line 2: process 1 answers another transaction than T1$/
    complaint(event('invoke', 1, [['add', 'c', 1, 5]]), answer).toThrow(sentence)
  })
  test('the checker refuses an account that does not occur in the history', () => {
    const events = byHand(['add a 1 +100'], ['r a [1]'])
    expect(() => check(events, { keys: ['a', 'b'], sum: 100 })).toThrow(/^there is no account b in the history$/)
  })
  test('the checker refuses two writes that nobody could tell apart', () => {
    const second = event('invoke', 2, [['append', 'x', 1]])
    complaint(invoke, second).toThrow(/^line 2: 1 goes to x a second time: nobody could tell which is which$/)
  })
  test('the checker refuses a confirmed read without what was read', () => {
    const read = [['r', 'x', null]]
    complaint(event('invoke', 1, read), event('ok', 1, read)).toThrow(/^line 2: x was read, and what was read is missing$/)
  })
  test('the checker refuses a list that is none', () => {
    const answer = event('ok', 1, [['r', 'x', 'all of it']])
    complaint(event('invoke', 1, [['r', 'x', null]]), answer).toThrow(/^line 2: what was read of x is no list of whole numbers$/)
  })
  test('the checker refuses a total that is none', () => {
    const answer = event('ok', 1, [['total', 'c', 5]])
    const sentence = /^line 2: what was read of the total of c is not a sum and a count of entries$/
    complaint(event('invoke', 1, [['total', 'c', null]]), answer).toThrow(sentence)
  })
  test('the checker refuses a micro-operation that it does not know', () => {
    complaint(event('invoke', 1, [['w', 'x', 1]])).toThrow(/^line 1: there is no micro-operation "w"$/)
  })
  test('the checker refuses an event that it does not know', () => {
    complaint(event('maybe', 1, [])).toThrow(/^line 1: its type is 'maybe', not invoke, ok, fail or info$/)
  })
  test('the checker refuses an event without a time, or with one that is no number', () => {
    complaint({ type: 'invoke', process: 1, value: [] } as unknown as Event).toThrow(
      /^line 1: its time is undefined, not a number of nanoseconds$/,
    )
    complaint(event('invoke', 1, [], Number.NaN)).toThrow(/^line 1: its time is NaN, not a number of nanoseconds$/)
  })
  test('the checker refuses time that goes backwards', () => {
    complaint(event('invoke', 1, [], 7), event('ok', 1, [], 6)).toThrow(
      /^line 2: its time, 6, lies before that of the line above$/,
    )
  })
  test('a file that holds something else is refused with the line that is at fault', () => {
    expect(() => fromLines(`${toLines([invoke])}once upon a time\n`)).toThrow(/^line 2 is no event: once upon a time$/)
  })
  test('a history survives its file', () => {
    const events = byHand(['append x 1', 'add c 1 +5'], ['r x [1], total c = 5 of 1'])
    expect(fromLines(toLines(events))).toMatchObject(events)
  })
  test('what is kept of a bad history says what is wrong, where it is kept, and how to run the same again', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'database-is-locked-'))
    try {
      const events = byHand(['append x 1'], ['r x []'])
      const report = keep({ mode: 'wal', seed: 7, processes: 4 }, { events, integrity: 'ok' }, check(events), folder)
      expect(report).toMatch(/^lost write .*T1 was confirmed.*npm run soak -- --journal wal --seed 7 --processes 4/s)
      const [name] = await readdir(folder)
      expect(report).toContain(join(folder, name))
      expect(fromLines(await readFile(join(folder, name, 'history.jsonl'), 'utf8'))).toMatchObject(events)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
  test('a campaign that cannot go on keeps the history until then, and its error says why, and where', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'database-is-locked-'))
    try {
      // The accounts are filled; then come clients whose timeout is none, and who end with an error.
      const error = await judgedCampaign({ ...usual, mode: 'wal', seed: 7, timeout: Number.NaN }, folder).catch(String)
      const [name] = await readdir(folder)
      expect(error).toMatch(/client \d ended with exit code 1 during its start.*timeout.*npm run soak -- --journal wal --seed 7/s)
      expect(error).toContain(join(folder, name))
      expect(await readFile(join(folder, name, 'findings.txt'), 'utf8')).toMatch(/^without a verdict\n\nclient \d ended with/)
      const events = fromLines(await readFile(join(folder, name, 'history.jsonl'), 'utf8'))
      expect(check(events)).toMatchObject({ confirmed: 1, transactions: 1 })
    } finally {
      await rm(folder, { recursive: true })
    }
  })
  test('two events at the same nanosecond are told so that neither transaction comes before the other', () => {
    const [begins, ends] = [event('invoke', 2, [], 5), event('ok', 1, [], 5)]
    expect(inOrder([ends, begins])).toEqual([begins, ends])
  })
  test('elle-cli gets one list of events, in which a total is a read of the entries it counts', () => {
    const events = JSON.parse(forElle(byHand(['append x 1'], ['add c 1 +5', 'total c = 0 of 0'], ['r x [1], r c [1]'])))
    expect(events.slice(4, 6)).toEqual([
      { index: 4, type: 'ok', f: 'txn', process: 1, time: 4, value: [['append', 'c', 1]] },
      { index: 5, type: 'ok', f: 'txn', process: 2, time: 5, value: [['r', 'c', []]] },
    ])
  })
})

/** A random history of few transactions that get in each other's way. */
const little = (seed: number, random: Random, audit: boolean): [Event[], Accounts] => {
  const workload = new Workload(seed, { accounts: 2, counters: 1, lists: 2 })
  const size = { seed, processes: 1 + random.below(5), transactions: (audit ? 2 : 4) + random.below(7), audit }
  return [[...simulated(workload, size, { refused: 0.15, killed: 0.15 })], workload.accounts]
}

/** The lists of a history, without accounts and counters. */
const listsOf = (events: Event[]) =>
  events.map((event) => ({ ...event, value: event.value.filter(([kind, key]) => key.startsWith('list') && kind !== 'total') }))

/** Changes one thing about a history, as a database or a driver that makes a mistake would. What it returns may still be in order. */
function mistaken(events: Event[], random: Random): Event[] {
  const changed = structuredClone(events)
  const answers = changed.filter(({ type }) => type !== 'invoke')
  const reads = answers.flatMap(({ value }) => value.filter(([kind, , answer]) => (kind === 'r' || kind === 'total') && answer))
  const writes = answers.flatMap(({ value }) => value.filter(([kind]) => kind === 'append' || kind === 'add'))
  if (reads.length === 0 || writes.length === 0) return changed
  const read = random.pick(reads)
  const list = read[2] as number[]
  const mistakes: (() => void)[] = [
    () => list.pop(),
    () => list.splice(random.below(list.length + 1), 0, random.below(30)),
    () => list.reverse(),
    () =>
      list.splice(
        0,
        list.length,
        ...(random.pick(reads.filter(([kind, key]) => kind === read[0] && key === read[1]))[2] as number[]),
      ),
    () => {
      const answer = random.pick(answers.slice(0, -1)) // in the end, somebody does read
      const isComplete = answer.value.every(([kind, , what]) => (kind !== 'r' && kind !== 'total') || what !== null)
      answer.type = random.pick(isComplete ? ['ok', 'fail', 'info'] : ['fail', 'info'])
    },
    () => {
      const [, key, element] = random.pick(writes) as [string, string, number]
      for (const [kind, name, found] of reads)
        if (kind === 'r' && name === key && found?.includes(element)) found.splice(found.indexOf(element), 1)
    },
  ]
  random.pick(mistakes)()
  if (read[0] === 'total') list.length = 2 // which stays a total, if not a true one
  return changed
}

describe('The checker, and histories made at random', { tags: ['q46'] }, () => {
  test('the checker finds nothing in 200 histories of a database that makes no mistake', () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const workload = new Workload(seed)
      const events = [...simulated(workload, { seed, processes: 1 + (seed % 8), transactions: seed })]
      expect(check(events, workload.accounts), `seed ${seed}`).toMatchObject({ findings: [], undecided: 0 })
    }
  })

  const agree = (seed: number, events: Event[], accounts?: Accounts) => {
    const isWell = isExplained(events)
    expect(check(events, accounts).findings.length === 0, `seed ${seed}\n${toLines(events)}`).toBe(isWell)
    return isWell
  }
  test('the checker finds something in 1,000 histories with one mistake where no order explains them, and nothing in the others', () => {
    let well = 0
    for (let seed = 1; seed <= 1_000; seed += 1) {
      const random = new Random(seed)
      const [events, accounts] = little(seed, random, true)
      well += Number(agree(seed, mistaken(events, random), accounts))
    }
    expect([well > 200, well < 800]).toEqual([true, true])
  })
  test('the checker does so in 1,000 histories of lists as well where nobody reads everything in the end', () => {
    let well = 0
    for (let seed = 1; seed <= 1_000; seed += 1) {
      const random = new Random(seed)
      const [events] = little(seed, random, false)
      well += Number(agree(seed, mistaken(listsOf(events), random)))
    }
    expect([well > 200, well < 800]).toEqual([true, true])
  })
})

/** What is careless about a client, and how the history of it is judged when everything it had left behind was read. */
async function judgedOf(
  mode: JournalMode,
  careless: string,
  story: (arena: Arena, careless: Place, careful: Place) => Promise<unknown>,
): Promise<Verdict> {
  const workload = new Workload(1, { accounts: 1, counters: 1, lists: 1 })
  const arena = await Arena.open(mode, workload)
  try {
    const [bad, good] = await Promise.all([arena.enter({ timeout: 50, careless }), arena.enter({ timeout: 50 })])
    await story(arena, bad, good)
    await Promise.all([arena.kill(bad), arena.leave(good)])
    await arena.alone(workload.audit())
    return check(inOrder(arena.events))
  } finally {
    await arena.close()
  }
}

/** Both count up; the careless one has read, and not yet written, when the careful one does. */
const loseAnUpdate = async (arena: Arena, careless: Place, careful: Place) => {
  const count = (entry: number): Op[] => [
    ['total', 'counter 1', null],
    ['add', 'counter 1', entry, 1],
  ]
  const meanwhile = () => arena.run(careful, { begin: 'immediate', value: count(2) })
  await arena.run(careless, { begin: 'immediate', value: count(1) }, { linger: 'before COMMIT', meanwhile })
}

/** The careless one is killed when it has answered. */
const confirmAndDie = async (arena: Arena, careless: Place) => {
  await arena.run(careless, { begin: 'immediate', value: [['append', 'list 1', 1]] })
  await arena.kill(careless)
}

/** The careless one writes while the careful one holds the lock. */
const writeInVain = async (arena: Arena, careless: Place, careful: Place) => {
  const meanwhile = () => arena.run(careless, { begin: 'immediate', value: [['append', 'list 1', 1]] })
  await arena.run(careful, { begin: 'immediate', value: [['append', 'list 1', 2]] }, { linger: 'before COMMIT', meanwhile })
}

/** The COMMIT of the careless one is refused, for the careful one reads; then it goes on with another transaction. */
const goOnAfterCommit = async (arena: Arena, careless: Place, careful: Place) => {
  const meanwhile = () => arena.run(careless, { begin: 'immediate', value: [['append', 'list 1', 1]] })
  await arena.run(careful, { begin: 'deferred', value: [['r', 'list 1', null]] }, { linger: 'before COMMIT', meanwhile })
  await arena.run(careless, { begin: 'immediate', value: [['append', 'list 1', 2]] })
}

/** A write of the careless one is refused, for the careful one has the lock; then it goes on with another transaction. */
const goOnAfterWrite = async (arena: Arena, careless: Place, careful: Place) => {
  const refused: Op[] = [
    ['r', 'list 1', null],
    ['append', 'list 1', 1],
  ]
  const meanwhile = () => arena.run(careless, { begin: 'deferred', value: refused })
  await arena.run(careful, { begin: 'immediate', value: [['append', 'list 1', 2]] }, { linger: 'before COMMIT', meanwhile })
  await arena.run(careless, { begin: 'deferred', value: [['r', 'list 1', null]] })
}

describe.concurrent('Careless clients in lock-step, write-ahead log', { tags: ['q46'] }, () => {
  test('a client that reads and writes outside of a transaction is caught: it loses an update', async () => {
    expect(named(await judgedOf('wal', 'no transaction', loseAnUpdate))).toContain('lost update')
  })
  test('a client that confirms before it commits is caught: when it is killed, a confirmed write is lost', async () => {
    expect(named(await judgedOf('wal', 'confirms early', confirmAndDie))).toEqual(['lost write'])
  })
  test('a client that takes SQLITE_BUSY for success is caught: a confirmed write is not there', async () => {
    expect(named(await judgedOf('wal', 'swallows SQLITE_BUSY', writeInVain))).toEqual(['lost write'])
  })
  test('a client that skips ROLLBACK is caught: its next transaction still reads what was there before', async () => {
    expect(named(await judgedOf('wal', 'skips ROLLBACK', goOnAfterWrite))).toEqual(['stale read'])
  })
})

describe.concurrent('Careless clients in lock-step, rollback journal', { tags: ['q46'] }, () => {
  test('a client that reads and writes outside of a transaction is caught: it loses an update', async () => {
    expect(named(await judgedOf('delete', 'no transaction', loseAnUpdate))).toContain('lost update')
  })
  test('a client that confirms before it commits is caught: when it is killed, a confirmed write is lost', async () => {
    expect(named(await judgedOf('delete', 'confirms early', confirmAndDie))).toEqual(['lost write'])
  })
  test('a client that takes SQLITE_BUSY for success is caught: a confirmed write is not there', async () => {
    expect(named(await judgedOf('delete', 'swallows SQLITE_BUSY', writeInVain))).toEqual(['lost write'])
  })
  test('a client that skips ROLLBACK is caught: its next COMMIT commits what was refused', async () => {
    expect(named(await judgedOf('delete', 'skips ROLLBACK', goOnAfterCommit))).toEqual(['G1a'])
  })
})

describe.concurrent('The same stories with two careful clients', { tags: ['q46'] }, () => {
  test('nobody is caught, write-ahead log', async () => {
    for (const story of [loseAnUpdate, goOnAfterWrite])
      expect(await judgedOf('wal', '', story)).toMatchObject({ findings: [], undecided: 0 })
  })
  test('nobody is caught, rollback journal', async () => {
    for (const story of [loseAnUpdate, goOnAfterCommit])
      expect(await judgedOf('delete', '', story)).toMatchObject({ findings: [], undecided: 0 })
  })
})

describe.concurrent('A client run by hand', { tags: ['q46'] }, () => {
  const byItself = (input: string, ...options: string[]) =>
    execa(process.execPath, ['fixtures/client.ts', ...options], { input, reject: false })

  test('a client wants a database and a setting', async () => {
    const run = await byItself('', ':memory:')
    expect(run).toMatchObject({ exitCode: 2, stderr: 'client.ts: it takes two arguments, the database and the setting' })
  })
  test('a client does not take an error for the refusal of a lock', async () => {
    const run = await byItself('{"begin":"autocommit","value":[["r","x",null]]}', ':memory:', '{"timeout":0,"origin":"0"}')
    expect(run).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('SQLITE_ERROR: no such table: entry') })
  })
})
