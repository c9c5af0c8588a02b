// What somebody may see depends on his grants, and not on who he is: whoever has the same may share what was read for another.
import type { Principal } from '../../domain/principal.ts'

export const whose = (principal: Principal): unknown =>
  principal.kind === 'user' ? principal.grants : principal.attempt
