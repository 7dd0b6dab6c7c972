"""One file per predicate, in lifecycle order.

delivery, reception, screening, quarantine, decision, training, inspection, trial, approval, waiver,
verdict, revocation, delegation.
"""
