import pytest

from drujax.training.schedule import linear_decay


@pytest.mark.parametrize(
    ("epoch", "factor"), [(1, 1.0), (100, 1.0), (101, 1.0), (102, 0.99), (150, 0.51), (199, 0.02), (200, 0.01)]
)
def test_official_schedule(epoch, factor):
    learning_rate = linear_decay(1e-4, steps_per_epoch=266.0)
    first, last = (epoch - 1) * 266, epoch * 266 - 1
    assert float(learning_rate(first)) == pytest.approx(1e-4 * factor, rel=1e-5)
    assert float(learning_rate(last)) == pytest.approx(1e-4 * factor, rel=1e-5)


@pytest.mark.parametrize(("epoch", "factor"), [(1, 1.0), (100, 1.0), (101, 0.5), (200, 0.5), (201, 0.25), (400, 0.125)])
def test_halving(epoch, factor):
    """PairLIE's: constant for 400 epochs but for the halving, as PyTorch's MultiStepLR steps after an epoch."""
    learning_rate = linear_decay(1e-4, 324.0, 400, 0, halve_every=100)
    first, last = (epoch - 1) * 324, epoch * 324 - 1
    assert float(learning_rate(first)) == pytest.approx(1e-4 * factor, rel=1e-6)
    assert float(learning_rate(last)) == pytest.approx(1e-4 * factor, rel=1e-6)


def test_fractional_epochs_scale_the_run():
    learning_rate = linear_decay(1.0, steps_per_epoch=0.5)  # 100 steps in total
    assert float(learning_rate(49)) == pytest.approx(1.0)
    assert float(learning_rate(99)) == pytest.approx(0.02)
    assert float(learning_rate(1000)) == 0
