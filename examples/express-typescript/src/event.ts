import { z } from "zod";

const text = z.string().refine((value) => value.isWellFormed(), "expected well-formed text");

/** What is read of an event. All else is let through, so that new members and new events do no harm. */
export const Event = z.object({
  event: text,
  // The probe `webhook_verification` has neither.
  syncInstanceId: text.nullish(),
  user: z.object({ id: text }).nullish(),
});
