// All detectors. One more is a file in detectors/ and a row here.
import type { Sighting } from '../../domain/finding.ts'
import { budget } from './detectors/budget.ts'
import { experts } from './detectors/experts.ts'
import { failure } from './detectors/failure.ts'
import { idle } from './detectors/idle.ts'
import { loss } from './detectors/loss.ts'
import { node } from './detectors/node.ts'
import { price } from './detectors/price.ts'
import { progress } from './detectors/progress.ts'
import type { Detector, Look } from './look.ts'

export const DETECTORS: readonly Detector[] = [progress, loss, experts, idle, failure, node, budget, price]

export const detect = (look: Look): Sighting[] => DETECTORS.flatMap((each) => each.detect(look))
