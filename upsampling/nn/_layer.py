"""What every layer shares: the call, what backward needs, parameters, gradients and the state dictionary."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from .. import _args


class Keys(NamedTuple):
    """What `load_state_dict` found: the keys that it lacked, and those that it had too many."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Layer(ABC):
    """One operator with its arguments, and with its parameters where it has some.

    Attributes
    ----------
    grad : dict of str to ndarray
        For each parameter the sum of the gradients of all calls of `backward` since `zero_grad`; zeros at first.
        Empty in a layer without parameters.

    Notes
    -----
    For `backward` a layer refers to the arrays of its latest `forward`; it does not copy them. Do not change these
    arrays between the two calls. They are held until the next `forward`, and are left out of a pickled layer.

    Threads may call one layer at once, and each gets its right result. But `backward` belongs to the latest `forward`
    of any thread, and it changes `grad`: threads that train need a layer each.
    """

    _parameter_names: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.grad: dict[str, np.ndarray] = {}
        # The shape of the latest output, and what the layer's _backward needs.
        self._kept: tuple[tuple[int, ...], tuple[Any, ...]] | None = None

    @abstractmethod
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the layer's output; calling the layer does the same."""

    @abstractmethod
    def _backward(self, grad_output: np.ndarray, kept: tuple[Any, ...]) -> np.ndarray:
        """Add to `grad` and return the input's gradient; the arguments were checked."""

    @abstractmethod
    def extra_repr(self) -> str:
        """Return the arguments as `repr` shows them."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": None}

    def _keep(self, output: np.ndarray, *kept: Any) -> None:
        self._kept = (output.shape, kept)

    def backward(self, grad_output: np.ndarray) -> np.ndarray:
        """Return the gradient of the latest forward's input, and add the parameters' gradients to `grad`.

        Parameters
        ----------
        grad_output : ndarray
            The gradient of the output of the latest `forward`, of its shape and dtype.

        Returns
        -------
        ndarray
            The gradient of that forward's input, of its shape.

        Raises
        ------
        RuntimeError
            If `forward` was not called before.
        ValueError
            If `grad_output` has another shape than the output had.
        TypeError
            If its dtype is none that the operator's gradient takes.
        """
        if self._kept is None:
            raise RuntimeError(f"{type(self).__name__}.backward needs a forward before it: call the layer on its input")
        shape, kept = self._kept
        grad_output = _args.array("grad_output", grad_output)
        _args.same_shape("grad_output", grad_output, shape)
        return self._backward(grad_output, kept)

    def named_parameters(self) -> Iterator[tuple[str, np.ndarray]]:
        """Give each parameter's name and array, the arrays themselves: what changes them in place changes the layer.

        A step of gradient descent::

            for name, parameter in layer.named_parameters():
                parameter -= 0.1 * layer.grad[name]
        """
        for name in self._parameter_names:
            parameter = getattr(self, name)
            if parameter is not None:
                yield name, parameter

    def parameters(self) -> Iterator[np.ndarray]:
        """Give each parameter's array, the arrays themselves, in the order of `named_parameters`."""
        for _, parameter in self.named_parameters():
            yield parameter

    def zero_grad(self) -> None:
        """Set every gradient in `grad` to zero, in place."""
        for gradient in self.grad.values():
            gradient.fill(0)

    def _accumulate(self, name: str, gradient: np.ndarray) -> None:
        _args.same_shape(f"the gradient of {name}", gradient, self.grad[name].shape)
        self.grad[name] += gradient

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return the parameters by PyTorch's names, in PyTorch's shapes.

        Returns
        -------
        dict of str to ndarray
            The arrays themselves, as in PyTorch: copy them to keep a state that later training does not change.
            ``np.savez(path, **layer.state_dict())`` writes them to a file, and
            ``layer.load_state_dict(np.load(path))`` reads them back.
        """
        return dict(self.named_parameters())

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> Keys:
        """Copy parameters into the layer, in place and converted to the layer's dtype.

        Parameters
        ----------
        state_dict : mapping of str to array
            What a `state_dict`, or PyTorch's of the same layer, returned: arrays, or PyTorch tensors of the CPU.
        strict : bool
            Whether a missing or an unexpected key is an error.

        Returns
        -------
        Keys
            The named tuple (missing_keys, unexpected_keys); two empty lists where all keys matched.

        Raises
        ------
        ValueError
            If with `strict` a key is missing or unexpected, or if a value has a wrong shape or does not convert.
            The message names all that is wrong, and the layer is as it was.
        TypeError
            If `state_dict` is not a mapping.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"state_dict must be a mapping, got {_args.shown(state_dict)}")
        parameters = dict(self.named_parameters())
        missing = [name for name in parameters if name not in state_dict]
        unexpected = [name for name in state_dict if name not in parameters]
        wrong = []
        if _args.flag("strict", strict):
            wrong += [f"the key {name!r} is missing" for name in missing]
            wrong += [f"the key {name!r} is unexpected" for name in unexpected]
        values: dict[str, np.ndarray] = {}
        for name, parameter in parameters.items():
            if name in state_dict:
                try:
                    values[name] = _converted(name, state_dict[name], parameter)
                except (TypeError, ValueError) as error:
                    wrong.append(str(error))
        if wrong:
            raise ValueError(f"state_dict does not fit {self!r}: {'; '.join(wrong)}")
        for name, value in values.items():
            parameters[name][...] = value
        return Keys(missing, unexpected)


def _converted(name: str, value: Any, parameter: np.ndarray) -> np.ndarray:
    """`value` as an array of the parameter's shape and dtype; an array or a PyTorch tensor, without PyTorch."""
    if hasattr(value, "detach"):
        value = value.detach()
        if str(value.dtype) == "torch.bfloat16":
            value = value.float()  # exact; NumPy has no bfloat16
    value = _args.array(name, value)
    _args.same_shape(name, value, parameter.shape)
    if value.dtype.kind not in "biufc" and not _args.is_bfloat16(value.dtype):
        raise TypeError(f"{name} must be an array of numbers, got dtype {value.dtype}")
    if value.dtype.kind == "c" and parameter.dtype.kind != "c":
        raise TypeError(f"{name} must be real, got dtype {value.dtype}")
    if not parameter.flags.writeable:
        raise ValueError(f"{name} of the layer is read-only")
    return value.astype(parameter.dtype)


def kept_sizes(name: str, value: Any, count: int, minimum: int) -> tuple[int, ...]:
    """`value` checked, in PyTorch's tuple form: a number repeated for each axis, a sequence at its own length."""
    sizes = _args.integers(name, value, count, minimum)
    return sizes[: len(value)] if _args.is_sequence(value) else sizes
