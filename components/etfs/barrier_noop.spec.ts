/**
 * Barriers, with the scheduler noop in the queue: see barrier.spec.ts.
 *
 * @role iosched noop
 */
import "./barrier.spec";

export { mock_hyp_bio } from "./barrier.spec";
