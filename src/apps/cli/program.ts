// Every command, in the order in which a new user meets them. Each is a file of commands/.
import { Command } from 'commander'
import { version } from '../parts/files.ts'
import { alertsCommand } from './commands/alerts.ts'
import { auditCommand } from './commands/audit.ts'
import { budgetsCommand } from './commands/budgets.ts'
import { completionCommand } from './commands/completion.ts'
import { deploymentCommands } from './commands/deployment.ts'
import { doctorCommand } from './commands/doctor.ts'
import { eventsCommand } from './commands/events.ts'
import { expertsCommand } from './commands/experts.ts'
import { findingsCommand } from './commands/findings.ts'
import { ledgerCommand } from './commands/ledger.ts'
import { loginCommand } from './commands/login.ts'
import { logsCommand } from './commands/logs.ts'
import { nodesCommand } from './commands/nodes.ts'
import { policyCommand } from './commands/policy.ts'
import { reportCommand } from './commands/report.ts'
import { queueCommand } from './commands/queue.ts'
import { runsCommand } from './commands/runs.ts'
import { showCommand } from './commands/show.ts'
import { simulateCommand } from './commands/simulate.ts'
import { statementCommand } from './commands/statement.ts'
import { steerCommands } from './commands/steer.ts'
import { submitCommand } from './commands/submit.ts'
import { tokenCommand } from './commands/token.ts'
import { upCommand } from './commands/up.ts'
import { whyCommand } from './commands/why.ts'

export function createProgram(): Command {
  const program = new Command('plimsoll')
    .description('The control plane for training runs on a GPU cluster.')
    .version(version)
    .showHelpAfterError('(plimsoll --help lists the commands)')
    .exitOverride()
  const commands = [
    upCommand,
    submitCommand,
    runsCommand,
    showCommand,
    logsCommand,
    eventsCommand,
    whyCommand,
    steerCommands,
    expertsCommand,
    statementCommand,
    queueCommand,
    nodesCommand,
    budgetsCommand,
    ledgerCommand,
    reportCommand,
    policyCommand,
    findingsCommand,
    alertsCommand,
    auditCommand,
    tokenCommand,
    loginCommand,
    doctorCommand,
    simulateCommand,
    deploymentCommands,
    completionCommand,
  ]
  for (const register of commands) register(program)
  return program
}
