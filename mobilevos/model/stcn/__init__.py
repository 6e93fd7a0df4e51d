"""STCN (Cheng et al., NeurIPS 2021), the published network, as a teacher."""

from mobilevos.model.stcn.network import Stcn

__all__ = ["Stcn"]
