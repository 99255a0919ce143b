"""How a printer's connection is at a moment: values for whoever looks on, read from its session."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cloud.bills import Line, Meter
from cloud.deciding.controller import LayerController
from cloud.engines import TellsWorkers
from protocol.sessions import CoordinatorSession

if TYPE_CHECKING:
    from cloud.parts.prepared import PreparedPart
    from thermal.geometry import Geometry


@dataclass(frozen=True, slots=True)
class Glance:
    """A printer's connection as it is now.

    Attributes:
        state: where the session stands, as in protocol.tables.
        job: name of the job, empty before one is open.
        part: name of the part, empty until it is loaded.
        engine: what computes, empty until it is loaded.
        layers: layers of the part.
        lookahead: windows decided ahead, None for the whole layer.
        rule: SmartScan's rule.
        layer: the layer being decided, None between layers.
        geometry: number of its geometry.
        cells: its cells.
        decided: windows that are printed or decided.
        printed: windows that are printed.
        epoch: its epoch.
        workers: the engine's workers by state.
        cost: what the job has used so far, None where nothing is billed.
    """

    state: str = ""
    job: str = ""
    part: str = ""
    engine: str = ""
    layers: int = 0
    lookahead: int | None = None
    rule: str = ""
    layer: int | None = None
    geometry: int = 0
    cells: int = 0
    decided: int = 0
    printed: int = 0
    epoch: int = 0
    workers: dict[str, int] = field(default_factory=dict)
    cost: Line | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A layer being decided.

    Attributes:
        geometry: its elements and cells.
        order: printed and decided cells, by window.
        printed: how many of them are printed.
        map_K: the map it starts from, <f4[n] as bytes, kelvin.
    """

    geometry: Geometry
    order: list[int]
    printed: int
    map_K: bytes


def glance_of(
    session: CoordinatorSession, prepared: PreparedPart | None, controller: LayerController | None, bill_key: str
) -> Glance:
    """Return how a connection is. `bill_key`: by what its engine knows the job."""
    job, state = session.job, session.state.value
    if job is None or prepared is None:
        return Glance(state=state, job="" if job is None else job.job)
    engine = prepared.engine
    meter = getattr(engine, "meter", None)
    glance = Glance(
        state=state,
        job=job.job,
        part=prepared.part.name,
        engine=engine.name,
        layers=prepared.part.layers,
        lookahead=job.lookahead,
        rule=job.rule or "",
        workers=engine.worker_states() if isinstance(engine, TellsWorkers) else {},
        cost=meter.so_far(bill_key) if isinstance(meter, Meter) else None,
    )
    if controller is None:
        return glance
    return replace(
        glance,
        layer=controller.layer,
        geometry=prepared.part.manifest.layers[controller.layer],
        cells=controller.cells,
        decided=len(controller.order),
        printed=session.windows_reported,
        epoch=session.epoch,
    )
