import { styleText } from 'node:util'
import { type Baseline, changesIn } from './baseline.ts'
import type { Evidence } from './examination.ts'
import { type Finding, faultOf, judge, promises, timeoutOf, type Verdict } from './findings.ts'
import { usual } from './scale.ts'
import type { Subject } from './subject.ts'

/** What an examination came to: all that a card tells. It is plain data, so that a test can hand it to a reporter. */
export type Report = {
  /** The stack, as it was named. */
  reference: string
  /** Who it says it is, with versions; empty if it does not say. */
  name: string
  /** What it says of its settings, and what was observed of them, one phrase each; empty if nothing. */
  says: string[]
  observed: string[]
  /** How the examination was made, where it was not as the promises are told; empty if it was. */
  scale: string
  adapter: Evidence['adapter']
  findings: Finding[]
  /** What a baseline says otherwise, one sentence each; `undefined` without a baseline. */
  changes?: string[]
}

const kinds = ['progress', 'safety', 'manners'] as const
const signs: Record<Verdict, [sign: string, style: 'green' | 'red' | 'dim']> = {
  kept: ['✓', 'green'],
  broken: ['✗', 'red'],
  'not promised': ['–', 'dim'],
  'not tried': ['–', 'dim'],
}

/** What the evidence comes to. */
export function reportOf({ reference }: Subject, evidence: Evidence, baseline?: Baseline): Report {
  const { adapter, description } = evidence
  const findings = judge(evidence)
  const changes = baseline && changesIn(findings, baseline)
  const says = Object.entries(description.settings ?? {}).map(([setting, value]) => `${setting} ${value}`)
  const name = nameOf(description)
  return { reference, name, says, observed: observations(evidence), scale: scaleOf(evidence), adapter, findings, changes }
}

/** With how many, if not with eight and fifty. */
function scaleOf({ scale: { crowd, rounds } }: Evidence): string {
  if (crowd === usual.crowd && rounds === usual.rounds) return ''
  return `with ${crowd} processes, and ${rounds} ${rounds === 1 ? 'increment' : 'increments'} each, for eight and fifty`
}

/** What the evidence tells of the settings, in phrases. */
function observations(evidence: Evidence): string[] {
  const { settings, commit } = evidence
  if (!('journalMode' in settings)) return []
  // Of the modes, only WAL is the database's; the others are those of a connection.
  const onDisk = 'journal' in commit && commit.journal === false ? 'no journal on the disk' : 'a rollback journal'
  const timeout = timeoutOf(evidence)
  const waits = timeout === 0 ? 'does not wait for a lock' : timeout && `waits ${secondsOf(timeout)} for a lock`
  const begins =
    settings.begins === 'not at all' ? 'nothing binds its write to its read' : `a transaction begins ${settings.begins}`
  return [settings.journalMode === 'wal' ? 'journal mode wal' : onDisk, settings.begins && begins, waits].filter(
    (phrase) => phrase !== undefined && phrase !== '',
  ) as string[]
}

/** `5.0 s`, `0.1 s`, `0.03 s`. */
const secondsOf = (milliseconds: number) =>
  `${milliseconds < 950 ? Number((milliseconds / 1_000).toPrecision(1)) : (milliseconds / 1_000).toFixed(1)} s`

/** Who a stack says it is: `Knex 3.3.0 (better-sqlite3 13.2.0)`. */
export function nameOf({ name = '', versions: { [name]: own, ...others } = {} }: Evidence['description']): string {
  const all = Object.entries(others).map(([what, version]) => `${what} ${version}`)
  return [name, own, all.length > 0 && `(${all.join(', ')})`].filter(Boolean).join(' ')
}

/** `progress broken (2 of 4), safety kept, manners kept`. */
function verdictOf(report: Report): string {
  const { findings } = report
  if (faultOf(report)) return 'no verdict: the adapter comes first'
  return kinds.map((kind) => `${kind} ${summary(findings.filter(({ id }) => id.startsWith(kind)))}`).join(' · ')
}

function summary(findings: Finding[]): string {
  const number = (verdict: Verdict) => findings.filter((finding) => finding.verdict === verdict).length
  if (number('broken') > 0) return `broken (${number('broken')} of ${findings.length})`
  if (number('not promised') > 0) return 'not promised'
  if (number('kept') === 0) return 'not tried'
  const rest = findings.length - number('kept')
  return rest > 0 ? `kept (${number('kept')} of ${findings.length} tried)` : 'kept'
}

/** Whether chapter 90 is red: the adapter is faulty, or the verdict is not as in the baseline or, without one, a promise is broken. */
export function isBroken(report: Report): boolean {
  const { findings, changes } = report
  if (faultOf(report)) return true
  return changes ? changes.length > 0 : findings.some(({ verdict }) => verdict === 'broken')
}

/** The verdict card, as text for a terminal. */
export function card(report: Report): string {
  const { reference, name, says, observed, scale, adapter, findings, changes } = report
  const lines = ['', styleText('bold', name || reference), ...(name ? [styleText('dim', reference)] : [])]
  if (says.length + observed.length + scale.length > 0) lines.push('')
  if (says.length > 0) lines.push(`it says    ${says.join(' · ')}`)
  if (observed.length > 0) lines.push(`observed   ${observed.join(' · ')}`)
  if (scale) lines.push(`tried      ${scale}`)
  if (faultOf(report)) {
    lines.push('', styleText('bold', 'the adapter'))
    for (const [demand, met] of adapter) {
      const [sign, style] = signs[met === true ? 'kept' : 'broken']
      lines.push(`  ${styleText(style, sign)} ${demand}`)
      if (met !== true) lines.push(...met.split('\n').map((line) => `      ${line}`))
    }
  } else
    for (const kind of kinds) {
      lines.push('', styleText('bold', kind))
      for (const finding of findings.filter(({ id }) => id.startsWith(kind))) lines.push(...told(finding))
    }
  if (changes) {
    lines.push('', changes.length > 0 ? styleText('red', 'not as in the baseline') : styleText('green', 'as in the baseline'))
    lines.push(...changes.map((change) => `  ${change}`))
  }
  lines.push('', styleText('bold', `verdict    ${verdictOf(report)}`), '')
  return lines.join('\n')
}

function told({ id, verdict, why, cause, chapter }: Finding): string[] {
  const [sign, style] = signs[verdict]
  const line = `  ${styleText(style, sign)} ${promises[id]}`
  if (verdict === 'kept') return [line]
  const reason = verdict === 'not tried' ? `not tried: ${why}` : why
  return [
    line,
    ...reason.split('\n').map((text) => `      ${text}`),
    ...(cause ? [`      likely: ${cause}`, `      ${styleText('dim', `see ${chapter}`)}`] : []),
  ]
}

/** The verdict card in Markdown, for a step's summary. */
export function markdown(report: Report): string {
  const { reference, name, says, observed, scale, findings, changes } = report
  const fault = faultOf(report)
  const escaped = (text: string) =>
    text.replaceAll('\\', '\\\\').replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('\n', '<br>')
  const rows = findings.map(({ id, verdict, why, cause, chapter }) => {
    const likely = cause ? `<br>Likely: ${escaped(cause)} See \`${chapter}\`` : ''
    const reason = verdict === 'kept' || verdict === 'broken' ? why : `${verdict}: ${why}`
    return `| ${signs[verdict][0]} | ${promises[id]} | ${escaped(reason)}${likely} |`
  })
  const baseline =
    changes &&
    (changes.length > 0
      ? `**Not as in the baseline:**\n${changes.map((change) => `* ${escaped(change)}`).join('\n')}`
      : 'As in the baseline.')
  return [
    `### ${escaped(name || reference)}: ${verdictOf(report)}`,
    says.length > 0 ? `It says: ${escaped(says.join(' · '))}` : '',
    observed.length > 0 ? `Observed: ${observed.join(' · ')}` : '',
    scale ? `Tried ${scale}.` : '',
    ['| | promise | seen |', '| :-- | :-- | :-- |', ...(fault ? [`| ✗ | ${fault[0]} | ${escaped(fault[1])} |`] : rows)].join(
      '\n',
    ),
    baseline ?? '',
    '',
  ]
    .filter((part, i, all) => part !== '' || i === all.length - 1)
    .join('\n\n')
}
