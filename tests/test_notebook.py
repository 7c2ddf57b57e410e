from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "train_tpu.ipynb"


def test_notebook_runs(tmp_path):
    """Runs all cells with the smallest preset."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "outputs are to be stripped"
    (parameters,) = [cell for cell in notebook.cells if 'PRESET = "embedded"' in cell.source]
    parameters.source = parameters.source.replace('"embedded"', '"debug"').replace('"vit_b16"', '"mobilenet_v2"')
    NotebookClient(notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    assert (tmp_path / "runs" / "notebook-debug" / "weights.safetensors").exists()
    last = notebook.cells[-1].outputs[0]
    assert "image/png" in last["data"]
