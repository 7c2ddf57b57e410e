"""libvips, called through `drujax.pictures.vips`."""

from drujax.pictures import vips


def test_libvips_does_not_call_python_when_an_operation_ends(monkeypatch):
    """A Ctrl-C would be raised in that call, which prints it and goes on."""
    called = []
    monkeypatch.setattr(vips.library(), "_to_string", called.append)
    vips.library().Image.gaussnoise(300, 300).gaussblur(3).avg()
    assert not called
