"""A running fit in the viewer: holding, going on, ending; and its curve."""

import dataclasses
import threading
import time
from collections.abc import Iterator

import pytest
import torch
from two_colours import two_coloured_wall

from recon.events import FitStarted, Step, ViewsPlaced
from recon.rendering.reference import rasterize_reference
from recon.viewer.live import LiveViewer
from recon.viewer.panel_training import MAX_POINTS, READ_EVERY, TrainingPanel


def step(number: int, max_steps: int = 1000, **losses: float) -> Step:
    gaussians, _ = two_coloured_wall()
    values = {name: torch.tensor(loss) for name, loss in (losses or {"photometric": 1.0}).items()}
    return Step(number, max_steps, values, gaussians)


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def live(stop: threading.Event) -> Iterator[LiveViewer]:
    gaussians, views = two_coloured_wall()
    live = LiveViewer("127.0.0.1", 0, rasterize_reference)
    live(ViewsPlaced(views, views.select([0])))
    live(FitStarted(views, gaussians, 0.5, stop))
    yield live
    assert live._viewer is not None
    live._viewer.stop()


def panel(live: LiveViewer) -> TrainingPanel:
    assert live._viewer is not None and live._viewer._training is not None
    return live._viewer._training


def in_thread(live: LiveViewer, event: Step) -> threading.Thread:
    thread = threading.Thread(target=live, args=(event,), daemon=True)
    thread.start()
    return thread


def test_the_viewer_knows_the_held_out_photos_and_the_near_plane(live: LiveViewer):
    assert live._viewer is not None
    scene = live._viewer._stage.scene
    assert scene.held_out is not None and scene.held_out.names == ("photo_0.png",)
    assert scene.near == 0.5


def test_a_paused_fit_waits_until_it_is_resumed(live: LiveViewer):
    live(step(1))
    panel(live).pause()
    waiting = in_thread(live, step(2))
    waiting.join(0.5)
    assert waiting.is_alive()
    panel(live).resume()
    waiting.join(5)
    assert not waiting.is_alive()


@pytest.mark.parametrize("by_button", [True, False])
def test_a_paused_fit_can_be_ended_by_the_button_and_by_ctrl_c(
    live: LiveViewer, stop: threading.Event, by_button: bool
):
    panel(live).pause()
    waiting = in_thread(live, step(2))
    time.sleep(0.1)
    panel(live).stop() if by_button else stop.set()
    waiting.join(5)
    assert not waiting.is_alive() and stop.is_set()


def test_the_curve_follows_the_losses_and_stays_short(live: LiveViewer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("recon.viewer.panel_training.DRAW_SECONDS", 0.0)
    told = panel(live)
    told.tell(step(25, photometric=2.0))
    told.tell(step(50, photometric=1.0, depth=0.5))
    assert told._plot is not None
    labels = [series.get("label") for series in told._plot.series]
    assert labels == ["step", "loss", "photometric", "depth"]
    steps, total, photometric, depth = told._plot.data
    assert steps.tolist() == [25, 50] and total.tolist() == [2, 1.5]
    assert photometric.tolist() == [2, 1] and depth.tolist() == [0, 0.5]
    for number in range(75, 25 * 3 * MAX_POINTS, 25):
        told.tell(step(number, 10**6))
    assert MAX_POINTS / 2 - 1 <= len(told._plot.data[0]) <= MAX_POINTS


def test_the_last_step_ends_the_controls_and_is_shown(live: LiveViewer):
    assert live._viewer is not None
    before = live._viewer._stage.shown
    live(step(1000))
    assert live._viewer._stage.shown is not before
    assert not panel(live)._pause.visible and panel(live)._state.value.endswith("done")
    assert live._viewer._painter.share == 1.0


def test_the_threads_of_a_viewer_compute_on_one_core_each_and_the_fit_on_all():
    gaussians, views = two_coloured_wall()
    before, later = torch.get_num_threads(), []
    torch.set_num_threads(3)
    live = LiveViewer("127.0.0.1", 0, rasterize_reference)
    try:
        live(FitStarted(views, gaussians, 0.5, threading.Event()))
        assert torch.get_num_threads() == 3
        assert live._viewer is not None
        done = threading.Event()
        live._viewer._painter.ask("test", lambda: (later.append(torch.get_num_threads()), done.set()))
        assert done.wait(10)
        thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
        thread.start()
        thread.join()
    finally:
        live.close()
        torch.set_num_threads(before)
    assert later == [1, 1]


def test_a_term_that_only_every_few_steps_have_is_in_every_point_of_the_curve(live: LiveViewer):
    first, photometric, warp = step(1), torch.tensor(1.0), torch.tensor(2.0)
    for number in range(1, 3 * READ_EVERY + 1):
        losses = {"photometric": photometric}
        if number % 7 == 1 and number <= 2 * READ_EVERY:
            losses["warp"] = warp
        panel(live).tell(dataclasses.replace(first, step=number, losses=losses))
    assert [point[1:] for point in panel(live)._points] == [(1.0, 2.0), (1.0, 2.0), (1.0, 0.0)]
