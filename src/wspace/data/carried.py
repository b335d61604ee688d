"""What ``dataset.json`` says, carried from a source into the dataset that is built of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wspace.data.attributes import attributes_by_picture
from wspace.data.labels import Classes, folder_classes, read_classes, read_labels
from wspace.data.metadata import Metadata, read_text
from wspace.errors import WspaceError

__all__ = ["Carried", "carry"]

_TEXTS = ("style", "licence", "attribution")


@dataclass(frozen=True, kw_only=True)
class Carried:
    """What is known of pictures, by the names that they have in their source.

    Attributes:
        pictures: their names.
        whole: what is said of all of them together.
        each: what is said of each picture: its attributes, for one.
        classes: None where the pictures have none.
        labels: labels that are no classes, by picture, as they are; None where there are none.
        remarks: lines for people, of what could not be carried as it is.
    """

    pictures: tuple[str, ...]
    whole: dict[str, Any]
    each: dict[str, dict[str, Any]]
    classes: Classes | None
    labels: dict[str, Any] | None
    remarks: tuple[str, ...]

    def into(self, written: Mapping[str, str]) -> tuple[dict[str, Any], Classes | None]:
        """The ``dataset.json`` of those pictures that were written, and their classes.

        Classes are numbered again, so that none is without pictures.

        Args:
            written: new names by old ones, in the order of the pictures.
        """
        labels, classes = self.labels, None
        whole = dict(self.whole)
        if self.classes is not None:
            kept = [number for number, name in enumerate(self.pictures) if name in written]
            classes = self.classes.of(kept)
            labels = dict(zip(written, classes.labels.tolist(), strict=True))
            if classes.names is not None:
                whole["classes"] = list(classes.names)
        pairs = None
        if labels is not None:
            pairs = [[new, labels[old]] for old, new in written.items() if old in labels]
        each = {
            key: {new: values[old] for old, new in written.items() if old in values}
            for key, values in self.each.items()
        }
        return {"labels": pairs, **whole, **each}, classes


def carry(
    metadata: Metadata, pictures: Sequence[str], *, folders_of: Path | None = None
) -> Carried:
    """Gather what is known of pictures.

    Args:
        metadata: of the source.
        pictures: their names in the source.
        folders_of: the source, if the folder of each picture is its class; `folder_classes`.

    Raises:
        WspaceError: as `folder_classes`.
    """
    content = metadata.content
    whole: dict[str, Any] = {
        key: text for key in _TEXTS if (text := read_text(metadata, key)) is not None
    }
    each: dict[str, dict[str, Any]] = {}
    remarks: list[str] = []
    try:
        if attributes := attributes_by_picture(metadata):
            each["attributes"] = attributes
    except WspaceError as error:
        remarks.append(f"the attributes are left out: {error}")
    if isinstance(content.get("seeds"), dict):  # of drawn avatars, with the options they have
        each["seeds"] = {metadata.picture(name): seed for name, seed in content["seeds"].items()}
        whole["options"] = content.get("options", {})
    classes, labels = None, None
    if folders_of is not None:
        classes = folder_classes(folders_of, pictures)
        whole["label_by"] = "folder"
    else:
        if (label_by := read_text(metadata, "label_by")) is not None:
            whole["label_by"] = label_by
        try:
            classes = read_classes(metadata, pictures)
        except WspaceError as error:
            labels, remark = _labels_as_they_are(metadata, str(error))
            whole["classes"] = content.get("classes", [])
            remarks.append(remark)
    return Carried(
        pictures=tuple(pictures),
        whole=whole,
        each=each,
        classes=classes,
        labels=labels,
        remarks=tuple(remarks),
    )


def _labels_as_they_are(metadata: Metadata, why: str) -> tuple[dict[str, Any] | None, str]:
    try:
        return read_labels(metadata), f"the labels are kept as they are, but are no classes: {why}"
    except WspaceError as error:
        return None, f"the labels are left out: {error}"
