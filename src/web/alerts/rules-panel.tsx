// The rules that there are: what each looks for, how often it fires now, and where its numbers stand.
import { RULES } from '../../domain/finding.ts'
import type { Finding } from '../api/operate.ts'
import { countOf, int } from '../format/numbers.ts'
import { Panel } from '../parts/bits.tsx'
import { Mark } from '../parts/glyphs.tsx'
import { RULE_WORDS, THRESHOLDS_FILE } from './rules.ts'

type Props = { readonly open: readonly Finding[]; /** Null: not known. */ readonly ended: readonly Finding[] | null }

export function Rules({ open, ended }: Props) {
  const count = (findings: readonly Finding[], rule: string): number =>
    findings.filter((each) => each.rule === rule).length
  return (
    <Panel
      id="h-u"
      title="Rules"
      sub="each is looked for every few seconds, in everything that runs"
      footer={
        <>
          The numbers stand in <span className="mono">{THRESHOLDS_FILE}</span>, each with its reason; yours are put over
          them by <span className="mono">alerts.thresholds</span> of config.yaml. A run turns a watcher off in its spec,
          for example <span className="mono nowrap">watch: {'{ loss: off }'}</span>.
        </>
      }
    >
      <div className="scroll" tabIndex={0} role="region" aria-label="Each rule">
        <table className="rules">
          <thead>
            <tr>
              <th>
                <span className="vh">Severity</span>
              </th>
              <th>Rule</th>
              <th>Looks for</th>
              <th>Numbers</th>
              <th>Watcher</th>
              <th className="r">Open</th>
              <th className="r">Ended, 24 h</th>
            </tr>
          </thead>
          <tbody>
            {RULES.map((rule) => {
              const { severities, looksFor, thresholds, watch } = RULE_WORDS[rule]
              const [now, over] = [count(open, rule), ended === null ? null : count(ended, rule)]
              return (
                <tr key={rule}>
                  <td className="nowrap">
                    {severities.map((each) => (
                      <Mark key={each} severity={each === 'critical' ? 'crit' : 'warn'} />
                    ))}
                  </td>
                  <th scope="row" className="mono">
                    {rule}
                  </th>
                  <td className="wide-text looks">{looksFor}</td>
                  <td className="wide-text mono dim">{thresholds ?? <span className="faint">none</span>}</td>
                  <td className="mono dim">{watch ?? <span className="faint">always on</span>}</td>
                  <td className={`r ${now > 0 ? 'bad strong' : 'faint'}`}>{int(now)}</td>
                  <td className={`r ${over === null || over === 0 ? 'faint' : ''}`}>
                    {over === null ? 'unknown' : int(over)}
                  </td>
                </tr>
              )
            })}
            <tr className="sum">
              <td />
              <td>{countOf(RULES.length, 'rule')}</td>
              <td colSpan={3} />
              <td className="r">{int(open.length)}</td>
              <td className="r">{ended === null ? 'unknown' : int(ended.length)}</td>
            </tr>
          </tbody>
        </table>
      </div>
    </Panel>
  )
}
