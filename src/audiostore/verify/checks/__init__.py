"""The checks, in the order in which they run. Each has a folder for itself."""

from audiostore.verify.checks.assets import whole_life
from audiostore.verify.checks.checksums import damaged_bytes, damaged_session
from audiostore.verify.checks.copies import copied_in_steps, copied_object
from audiostore.verify.checks.keeping import (
    custom_time,
    deleted_and_restored,
    held_object,
    lifecycle_rules,
    old_versions,
)
from audiostore.verify.checks.links import cross_origin, signed_link
from audiostore.verify.checks.listings import listed_at_once, listed_in_order, listed_under_a_key
from audiostore.verify.checks.reading import names_and_metadata, one_generation
from audiostore.verify.checks.sessions import (
    cancelled_upload,
    continued_upload,
    two_sessions,
    upload_in_pieces,
)
from audiostore.verify.checks.writing import (
    change_once,
    create_once,
    delete_the_one_seen,
    replace_once,
)
from audiostore.verify.values import Check

CHECKS: tuple[Check, ...] = (
    create_once,
    replace_once,
    change_once,
    delete_the_one_seen,
    damaged_bytes,
    damaged_session,
    upload_in_pieces,
    two_sessions,
    cancelled_upload,
    continued_upload,
    one_generation,
    names_and_metadata,
    listed_at_once,
    listed_in_order,
    listed_under_a_key,
    copied_object,
    copied_in_steps,
    held_object,
    custom_time,
    deleted_and_restored,
    old_versions,
    lifecycle_rules,
    signed_link,
    cross_origin,
    whole_life,
)

__all__ = ["CHECKS"]
