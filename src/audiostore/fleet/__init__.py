"""Many assets on many machines: a plan in the store, and workers on any engine.

::

    from audiostore import AudioStorageManager, fleet

    with AudioStorageManager("my-bucket") as manager:
        plan = fleet.plan(manager, items, run="nov")  # ids are made here, once
        # on any machine, for each chunk: fleet.work("gs://my-bucket", "nov", 17)
        for result in fleet.results(manager, "nov"):
            print(result.audio, result.audio_id, result.error)

`plan` writes the list into the store, in chunks. `work` stores the items of a chunk exactly once,
wherever and however often it is called. `work_share` is a whole worker, one of several that have an
index. `status` and `results` read a run, `write_results` writes a table of it, `retry` asks for
another attempt at what failed.

`plan_list`, `plan_statistics` and `plan_check` plan runs over a store that is too large for one
machine, one part of it a chunk; `assets`, `statistics` and `problems` put together what was found.
`plan_analysis` plans one that analyses what is stored, and `analyses` yields what came of it.
`plan_export` plans one that writes tar files for training, and `exported` yields them.

`plan_adoption` plans a run that makes assets of what a bucket has in another layout; once its work
is done, `clean_adopted` deletes the old objects.
"""

from audiostore.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from audiostore.fleet.adopting import plan_adoption as plan_adoption
    from audiostore.fleet.analysing import (
        FleetAnalysis as FleetAnalysis,
        analyses as analyses,
        plan_analysis as plan_analysis,
    )
    from audiostore.fleet.checking import plan_check as plan_check, problems as problems
    from audiostore.fleet.cleaning import (
        CleanOutcome as CleanOutcome,
        CleanStatus as CleanStatus,
        clean_adopted as clean_adopted,
    )
    from audiostore.fleet.counting import (
        plan_statistics as plan_statistics,
        statistics as statistics,
    )
    from audiostore.fleet.exporting import exported as exported, plan_export as plan_export
    from audiostore.fleet.listing import assets as assets, plan_list as plan_list
    from audiostore.fleet.processes import work as work
    from audiostore.fleet.reading import results as results, retry as retry, status as status
    from audiostore.fleet.storing import plan as plan
    from audiostore.fleet.tables import write_results as write_results
    from audiostore.fleet.values import (
        FleetChunk as FleetChunk,
        FleetPlan as FleetPlan,
        FleetResult as FleetResult,
        FleetStatus as FleetStatus,
    )
    from audiostore.fleet.working import work_share as work_share
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "analysing": "FleetAnalysis analyses plan_analysis",
            "checking": "plan_check problems",
            "counting": "plan_statistics statistics",
            "exporting": "exported plan_export",
            "listing": "assets plan_list",
            "adopting": "plan_adoption",
            "cleaning": "CleanOutcome CleanStatus clean_adopted",
            "processes": "work",
            "reading": "results retry status",
            "storing": "plan",
            "tables": "write_results",
            "values": "FleetChunk FleetPlan FleetResult FleetStatus",
            "working": "work_share",
        },
    )
